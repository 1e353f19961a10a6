package demo

import (
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/localca"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// clientName is whom the demo's client CA certifies: the app of the sandbox.
const clientName = "client.northwind.example"

// clientFiles are the demo's authority for clients and what it has issued.
type clientFiles struct {
	CA          string `json:"ca"`
	CAKey       string `json:"ca_key"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	Name        string `json:"name"` // of the certificate, by which an app of the sandbox is known
}

func (o Options) clientFiles() clientFiles {
	at := func(name string) string { return filepath.Join(o.Data, "client-ca", name) }
	return clientFiles{CA: at("ca.pem"), CAKey: at("ca-key.pem"), Certificate: at("client.pem"), Key: at("client-key.pem"), Name: clientName}
}

func (o Options) mutualTLS(listen string) config.MutualTLS {
	return config.MutualTLS{Listener: config.Listener{Listen: listen}, ClientCA: []string{o.clientFiles().CA}}
}

// certifyClient makes the authority, if it is not there yet, and a certificate of
// this start.
func (o Options) certifyClient() error {
	files := o.clientFiles()
	folder := filepath.Dir(files.CA)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return server.ExplainFolder(o.Data, err)
	}
	ca, err := localca.OpenNamed(folder, "Sallyport demo client CA", o.Now)
	if err != nil {
		return err
	}
	return ca.IssueClient(clientName, files.Certificate, files.Key)
}
