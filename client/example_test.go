package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// A program that calls an API through the gateway.
func ExampleTransport() {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth2/token" {
			fmt.Fprint(w, `{"access_token":"t1","token_type":"Bearer","expires_in":3600}`)
			return
		}
		fmt.Fprint(w, r.Header.Get("Authorization") == "Bearer t1")
	}))
	defer server.Close()

	source, err := client.NewTokenSource(client.Config{
		TokenURL:     server.URL + "/oauth2/token",
		ClientID:     "0123456789abcdef",
		ClientSecret: client.NewSecret("read it from a file or a secret store"),
		HTTP:         server.Client(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	apis := &http.Client{Transport: &client.Transport{Source: source, Base: server.Client().Transport}}
	resp, err := apis.Get(server.URL + "/medicalnetwork/eligibility/v3/healthcheck")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var accepted bool
	err = json.NewDecoder(resp.Body).Decode(&accepted)
	fmt.Println(resp.StatusCode, accepted, err)
	// Output: 200 true <nil>
}

// A program that runs a Sallyport.
func ExampleManagement() {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":"invalid","field":"name","detail":"must not be empty"}`)
			return
		}
		fmt.Fprint(w, `{"items":[{"id":"org_1","name":"Acme Health","state":"active"}],"next":""}`)
	}))
	defer server.Close()

	m := &client.Management{BaseURL: server.URL, Token: client.NewSecret("spop_…"), HTTP: server.Client()}
	ctx := context.Background()
	orgs, err := client.All(func(page api.Page) (api.List[api.Organization], error) { return m.Organizations(ctx, page) })
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(orgs[0].Name)

	_, err = m.CreateOrganization(ctx, api.NewOrganization{})
	var refused *client.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Problem.Code, refused.Problem.Field, refused.Problem.Detail)
	}
	// Output:
	// Acme Health
	// invalid name must not be empty
}

// A secret cannot be printed by accident.
func ExampleSecret() {
	secret := client.NewSecret("spsbx_8Hf…")
	fmt.Printf("%v %#v\n", secret, struct{ s client.Secret }{secret}.s)
	// Output: [redacted] [redacted]
}
