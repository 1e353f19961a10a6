# Finds its way by discovery alone, as a program with Authlib does, calls the
# gateway, and lets the library get another token once the first has ended.
# Prints what came of it.
import json
import os

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

issuer, method = os.environ["ISSUER"], os.environ["METHOD"]
call = json.loads(os.environ["CALL"])

found = requests.get(get_well_known_url(issuer, external=True), timeout=10)
found.raise_for_status()
metadata = AuthorizationServerMetadata(found.json())
# The rules of RFC 8414 that hold without an authorization endpoint, which only
# response types need.
for claim in ("issuer", "token_endpoint", "jwks_uri", "scopes_supported", "grant_types_supported",
              "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported",
              "service_documentation", "revocation_endpoint", "introspection_endpoint"):
    getattr(metadata, "validate_" + claim)()
assert metadata["issuer"] == issuer
assert method in metadata["token_endpoint_auth_methods_supported"]

session = OAuth2Session(
    os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], token_endpoint_auth_method=method,
    token_endpoint=metadata["token_endpoint"], grant_type="client_credentials")
if method == "private_key_jwt":
    session.register_client_auth_method(PrivateKeyJWT(issuer, alg=os.environ["ALGORITHM"]))

fetched = []
session.register_compliance_hook("access_token_response", lambda r: fetched.append(r.status_code) or r)
first = session.fetch_token(grant_type="client_credentials")


def answer():
    return session.request(call["method"], call["url"], data=call["body"], headers=call["headers"], timeout=10)


statuses = [answer().status_code for _ in range(3)]
held = len(fetched)
session.token["expires_at"] = 1  # it has ended
statuses.append(answer().status_code)

print(json.dumps({
    "tokenType": first["token_type"],
    "expiresIn": first["expires_in"],
    "statuses": statuses,
    "fetchedBeforeItsEnd": held,
    "fetchedAfterIt": len(fetched),
    "another": session.token["access_token"] != first["access_token"],
}))
