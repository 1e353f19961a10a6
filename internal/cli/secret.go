package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) secretCommand() *cobra.Command {
	return p.noun("secret", "A client's own secrets, as the client: no operator token is needed",
		`  sallyport secret list --token-url https://sandbox.api.example.com/oauth2/token --client-id ID --secret-file secret
  sallyport secret rotate --issuer https://sandbox.api.example.com --client-id ID --secret-file secret --overlap 48h`,
		p.secretList(), p.secretRotate())
}

// ownFlags say who a client is, and where its environment.
type ownFlags struct{ tokenURL, issuer, clientID, file string }

func (f *ownFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.tokenURL, "token-url", "", "`URL` of a token endpoint of the environment")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "`URL` of the environment's issuer, in the place of --token-url")
	cmd.Flags().StringVar(&f.clientID, "client-id", "", "`ID` of the client")
	cmd.Flags().StringVar(&f.file, "secret-file", "", "`FILE` with the client's secret; - is stdin. It is never an argument")
	cmd.MarkFlagsOneRequired("token-url", "issuer")
	cmd.MarkFlagsMutuallyExclusive("token-url", "issuer")
	need(cmd, "client-id")
	need(cmd, "secret-file")
}

// own returns the client that the flags name.
func (p *Program) own(cmd *cobra.Command, f *ownFlags) (*client.Secrets, error) {
	var c connection
	if err := p.readCA(&c); err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.ca) {
			return nil, &usageError{"the file of --ca holds no certificate", []string{"it is PEM, and begins with -----BEGIN CERTIFICATE-----"}}
		}
	}
	s := &client.Secrets{TokenURL: f.tokenURL, ClientID: f.clientID, HTTP: &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true},
	}}
	var err error
	if s.ClientSecret, err = p.readSecret(f.file); err != nil {
		return nil, err
	}
	if f.issuer != "" {
		s.TokenURL, err = client.Discover(cmd.Context(), f.issuer, s.HTTP)
	}
	return s, err
}

func (p *Program) readSecret(file string) (client.Secret, error) {
	in := p.Stdin
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // the file that the user names
		if err != nil {
			return client.Secret{}, &usageError{fmt.Sprintf("read the secret: %s", reason(err)), []string{"check --secret-file"}}
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxToken+1))
	text := bytes.TrimRight(data, "\r\n")
	if err != nil || len(text) == 0 || len(text) > maxToken || bytes.ContainsAny(text, "\r\n") {
		return client.Secret{}, &usageError{"the file of --secret-file does not hold one secret", []string{"it holds one line"}}
	}
	return client.NewSecret(string(text)), nil
}

func (p *Program) secretList() *cobra.Command {
	var own ownFlags
	cmd := p.verb("list", "List the client's credentials, and when each was last used",
		`  sallyport secret list --token-url https://sandbox.api.example.com/oauth2/token --client-id ID --secret-file secret`,
		func(cmd *cobra.Command, _ []string) error {
			s, err := p.own(cmd, &own)
			if err != nil {
				return err
			}
			all, err := s.List(cmd.Context())
			if err != nil {
				return err
			}
			return p.answer(api.List[api.Credential]{Items: all}, credentialTable(all...))
		})
	own.add(cmd)
	return cmd
}

func (p *Program) secretRotate() *cobra.Command {
	var own ownFlags
	var in api.CredentialRotation
	var credential, expires string
	var overlap time.Duration
	cmd := p.verb("rotate", "Get a secret in the place of the client's own, which goes on working for a while; it is shown only now",
		`  sallyport secret rotate --token-url https://sandbox.api.example.com/oauth2/token --client-id ID --secret-file secret
  sallyport secret rotate --issuer https://sandbox.api.example.com --client-id ID --secret-file - -o json > new.json`,
		func(cmd *cobra.Command, _ []string) error {
			over, err := seconds("overlap", overlap)
			if err != nil {
				return err
			}
			in.Overlap = &over
			if in.Expires, err = p.moment(expires); err != nil {
				return err
			}
			s, err := p.own(cmd, &own)
			if err != nil {
				return err
			}
			c, err := s.Rotate(cmd.Context(), credential, in)
			if err != nil {
				return hint(err, "nothing is lost: the old secret works on. If the answer was lost on its way, run it again, and have the one that was never used revoked")
			}
			return p.answerRotation(c)
		})
	own.add(cmd)
	cmd.Flags().StringVar(&credential, "credential", "", "`ID` of another credential of the client's to rotate")
	cmd.Flags().StringVar(&in.Label, "label", "", "`TEXT` to know the new one by; else the old one's")
	cmd.Flags().StringVar(&expires, "expires", "never", "`WHEN` the new one stops working: a time, or how long from now, such as 90d")
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "`DURATION` for which the old one goes on working, such as 48h")
	cmd.Flags().Lookup("overlap").DefValue = "24h" // as people write it
	cmd.Flags().BoolVar(&in.Force, "force", false, "with --overlap 0: end the old one now")
	return cmd
}
