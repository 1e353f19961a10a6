# Gets a token as a program with requests-oauthlib does, and calls the gateway.
# The library knows no discovery: the token URL is read from the document.
# Prints what came of it.
import json
import os

import requests
from oauthlib.oauth2 import BackendApplicationClient, TokenExpiredError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

client_id, secret = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
call = json.loads(os.environ["CALL"])
url = os.environ.get("TOKEN_URL")
if not url:
    document = requests.get(os.environ["ISSUER"] + "/.well-known/openid-configuration", timeout=10)
    document.raise_for_status()
    url = document.json()["token_endpoint"]

session = OAuth2Session(client=BackendApplicationClient(client_id=client_id))
if os.environ["METHOD"] == "client_secret_basic":
    token = session.fetch_token(token_url=url, auth=HTTPBasicAuth(client_id, secret))
else:
    token = session.fetch_token(token_url=url, client_id=client_id, client_secret=secret, include_client_id=True)


def answer():
    return session.request(call["method"], call["url"], data=call["body"], headers=call["headers"], timeout=10)


statuses = [answer().status_code for _ in range(2)]
session.token = dict(token, expires_at=1)
try:
    answer()
    noticed = False
except TokenExpiredError:
    noticed = True

print(json.dumps({
    "tokenType": token["token_type"],
    "expiresIn": token["expires_in"],
    "statuses": statuses,
    "noticedItsEnd": noticed,
}))
