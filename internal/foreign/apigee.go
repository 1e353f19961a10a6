package foreign

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// apigeeApp is a developer app, or a developer, of Apigee Edge and Apigee X.
type apigeeApp struct {
	AppID       string        `json:"appId"`
	Name        string        `json:"name"`
	Status      string        `json:"status"`
	DeveloperID string        `json:"developerId"`
	Email       string        `json:"developerEmail"`
	Company     string        `json:"companyName"`
	AppGroup    string        `json:"appGroup"`
	Attributes  []apigeeValue `json:"attributes"`
	Credentials []apigeeKey   `json:"credentials"`
}

type apigeeValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type apigeeKey struct {
	ConsumerKey    string   `json:"consumerKey"`
	ConsumerSecret string   `json:"consumerSecret"`
	Status         string   `json:"status"`
	Expires        number   `json:"expiresAt"` // milliseconds; -1: never
	Scopes         []string `json:"scopes"`
	Products       []struct {
		Name   string `json:"apiproduct"`
		Status string `json:"status"`
	} `json:"apiProducts"`
}

// number is a whole number; Apigee X writes it as a text.
type number int64

// UnmarshalJSON implements [json.Unmarshaler].
func (n *number) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" || text == "" {
		return nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return errors.New("not a whole number")
	}
	*n = number(v)
	return nil
}

// Apigee reads the apps of "GET /v1/organizations/ORG/apps?expand=true", or an array
// of them. An app has one client_id here: one of several keys becomes several.
func Apigee(data []byte, now time.Time) (Export, error) {
	var e Export
	all, err := documents(data, "app")
	if err != nil {
		return e, err
	}
	for _, raw := range all {
		var a apigeeApp
		if err := read(raw, &a); err != nil {
			return e, err
		}
		e.apigee(a, now)
	}
	return e, nil
}

func (e *Export) apigee(a apigeeApp, now time.Time) {
	name := a.Name
	for _, attribute := range a.Attributes {
		if attribute.Name == "DisplayName" && attribute.Value != "" {
			name = attribute.Value
		}
	}
	if len(a.Credentials) == 0 {
		e.leave(cmp.Or(a.AppID, a.Name), "it has no keys")
	}
	taken := 0
	for _, key := range a.Credentials {
		switch {
		case key.Status != "" && key.Status != "approved":
			e.leave(key.ConsumerKey, "the key is "+key.Status)
			continue
		case key.Expires > 0 && !time.UnixMilli(int64(key.Expires)).After(now):
			e.leave(key.ConsumerKey, "the key has expired")
			continue
		}
		taken++
		c := Client{
			ClientID: key.ConsumerKey, Name: named(name, key.ConsumerKey), Email: a.Email, Scopes: key.Scopes,
			Organization: cmp.Or(a.Company, a.AppGroup, a.Email, a.DeveloperID), Disabled: a.Status != "" && a.Status != "approved",
		}
		if taken > 1 {
			c.Name = fmt.Sprintf("%s (%d)", c.Name, taken)
			c.note("it is one more key of the app " + name + ", and an app of its own here")
		}
		for _, p := range key.Products {
			if p.Status != "" && p.Status != "approved" {
				c.note("its product " + p.Name + " is " + p.Status + ", and is left behind")
				continue
			}
			c.Products = append(c.Products, p.Name)
		}
		if key.ConsumerSecret == "" {
			c.note("the key has no secret in the export")
		} else {
			cred := secretOrHash(key.ConsumerSecret, "imported from Apigee")
			if key.Expires > 0 {
				cred.Expires = time.UnixMilli(int64(key.Expires)).UTC()
			}
			c.add(cred)
		}
		e.Clients = append(e.Clients, c)
	}
}
