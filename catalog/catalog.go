// Package catalog is the demo catalogue, embedded: three APIs of a health-care
// network as an operator would write them, with OpenAPI documents, mock rules
// and pages. People, members and claims in it are invented.
//
// Files is the folder as manifest.Load takes it; the manifests leave one
// variable open, DEMO_UPSTREAM, the base URL of the live upstream that the demo
// starts. [Calls] has one good call for each API.
//
// It is data: it does not read or check itself, its test does.
package catalog

import (
	"embed"
	"encoding/json"
)

// Files holds the catalogue; its root is the catalogue's root.
//
//go:embed products.yaml eligibility-v3 claim-status-v2 pharmacy-claims-v1
var Files embed.FS

// UpstreamVariable is the variable that the manifests leave open.
const UpstreamVariable = "DEMO_UPSTREAM"

// Call is a call that an API answers with success, as mock and live.
type Call struct {
	API     string // name in the catalogue
	Method  string
	Path    string // whole, with the API's base path
	Headers map[string]string
	Body    string // JSON
}

// claim is an invented NCPDP D.0 billing, in base64.
const claim = "OTk5OTk5RDBCMSAgICAgICAgICAxMDExMjM0NTY3ODkzICAgICAyMDI2MDEwMh4cQU0wMRxDNDE5ODAwMTAyHEM1MRxDQUpPSE5PTkUcQ0JET0VPTkUeHEFNMDQcQzIwMDAwMDAwMDAwHR4cQU0wNxxFTTEcRDIwMDAwMDAxHEUxMDMcRDcwMDAwMDAwMDAwMRxFNzMwMDAwHEQzMDAcRDUzMB4cQU0xMRxEOTI1MHscRFUyNTB7"

// Calls returns one call for each API, made with what belongs to the caller. An
// empty hostSubmitterID or tin is left out.
func Calls(submitterID, hostSubmitterID, tin string) []Call {
	headers := func(pairs ...string) map[string]string {
		out := map[string]string{"Content-Type": "application/json", "Accept": "application/json"}
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i+1] != "" {
				out[pairs[i]] = pairs[i+1]
			}
		}
		return out
	}
	taxID := "" // a member, so that header and body agree
	if tin != "" {
		taxID = `, "taxId": ` + quote(tin)
	}
	return []Call{
		{
			API:     "eligibility-v3",
			Method:  "POST",
			Path:    "/medicalnetwork/eligibility/v3/",
			Headers: headers("providerTaxId", tin),
			Body: `{
  "controlNumber": "123456789",
  "tradingPartnerServiceId": "000050",
  "provider": {"organizationName": "Example Family Clinic", "npi": "1234567893"` + taxID + `},
  "subscriber": {"memberId": "0000000000", "firstName": "johnone", "lastName": "doeone", "dateOfBirth": "18800102"},
  "encounter": {"serviceTypeCodes": ["30"]}
}`,
		},
		{
			API:     "claim-status-v2",
			Method:  "POST",
			Path:    "/medicalnetwork/claimstatus/v2/",
			Headers: headers("providerTaxId", tin),
			Body: `{
  "controlNumber": "123456789",
  "tradingPartnerServiceId": "00003",
  "providers": [{"providerType": "BillingProvider", "organizationName": "Example Family Clinic", "npi": "1234567893"` + taxID + `}],
  "subscriber": {"memberId": "0000000000", "firstName": "johnone", "lastName": "doeone", "dateOfBirth": "18800102"},
  "encounter": {"beginningDateOfService": "20260105", "endDateOfService": "20260105"}
}`,
		},
		{
			API:     "pharmacy-claims-v1",
			Method:  "POST",
			Path:    "/pharmacynetwork/submitter/v1/pharmacy-claims",
			Headers: headers("submitterID", submitterID, "hostSubmitterID", hostSubmitterID),
			Body: `{
  "messageData": "` + claim + `"
}`,
		},
	}
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""` // a string can always be encoded
	}
	return string(text)
}
