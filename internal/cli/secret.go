package cli

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) secretCommand() *cobra.Command {
	return p.noun("secret", "A client's own secrets, as the client: no operator token is needed",
		`  sallyport secret list --token-url https://sandbox.api.example.com/oauth2/token --client-id ID --secret-file secret
  sallyport secret list --issuer https://sandbox.api.example.com --client-id ID --key-file client.key --key-id 2026-11
  sallyport secret rotate --issuer https://sandbox.api.example.com --client-id ID --secret-file secret --overlap 48h`,
		p.secretList(), p.secretRotate())
}

// ownFlags say who a client is, how it proves that, and where its environment is.
type ownFlags struct{ tokenURL, issuer, clientID, secret, key, keyID, certificate, certificateKey string }

func (f *ownFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.tokenURL, "token-url", "", "`URL` of a token endpoint of the environment; with --certificate one of mtls_endpoint_aliases")
	flags.StringVar(&f.issuer, "issuer", "", "`URL` of the environment's issuer, in the place of --token-url")
	flags.StringVar(&f.clientID, "client-id", "", "`ID` of the client")
	flags.StringVar(&f.secret, "secret-file", "", "`FILE` with the client's secret; - is stdin. It is never an argument")
	flags.StringVar(&f.key, "key-file", "", "`FILE` with the client's private key in PEM, in the place of a secret; - is stdin. Needs --issuer")
	flags.StringVar(&f.keyID, "key-id", "", "`KID` of the key of --key-file; else the server tries the client's keys")
	flags.StringVar(&f.certificate, "certificate", "", "`FILE` with the client's certificate, and its chain, in PEM, in the place of a secret")
	flags.StringVar(&f.certificateKey, "certificate-key", "", "`FILE` with the private key of --certificate")
	cmd.MarkFlagsOneRequired("token-url", "issuer")
	cmd.MarkFlagsMutuallyExclusive("token-url", "issuer")
	cmd.MarkFlagsOneRequired("secret-file", "key-file", "certificate")
	cmd.MarkFlagsMutuallyExclusive("secret-file", "key-file", "certificate")
	cmd.MarkFlagsMutuallyExclusive("key-file", "token-url") // an assertion is for the issuer
	cmd.MarkFlagsRequiredTogether("certificate", "certificate-key")
	need(cmd, "client-id")
}

// own returns the client that the flags name.
func (p *Program) own(cmd *cobra.Command, f *ownFlags) (*client.Secrets, error) {
	var c connection
	if err := p.readCA(&c); err != nil {
		return nil, err
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	s := &client.Secrets{TokenURL: f.tokenURL, ClientID: f.clientID, HTTP: https(config)}
	if err := p.prove(s, f, config); err != nil {
		return nil, err
	}
	if f.issuer == "" {
		return s, nil
	}
	discover := client.Discover
	if s.ByCertificate {
		discover = client.DiscoverMutualTLS
	}
	s.TokenURL, err = discover(cmd.Context(), f.issuer, s.HTTP)
	return s, err
}

// prove reads what the client authenticates by.
func (p *Program) prove(s *client.Secrets, f *ownFlags, config *tls.Config) error {
	switch {
	case f.keyID != "" && f.key == "":
		return usagef("--key-id names the key of --key-file, which is not there")
	case f.key != "":
		text, err := p.readFile(f.key, "key-file", maxKeyFile)
		if err != nil {
			return err
		}
		signer, err := client.ParsePrivateKey(client.NewSecret(string(text)))
		if err != nil {
			return &usageError{"the file of --key-file: " + strings.TrimPrefix(err.Error(), "client: "), []string{"it is the private key as openssl genpkey writes it, not encrypted"}}
		}
		s.PrivateKey = &client.PrivateKey{Signer: signer, Issuer: f.issuer, KeyID: f.keyID}
	case f.certificate != "":
		pair, err := tls.LoadX509KeyPair(f.certificate, f.certificateKey)
		if err != nil {
			return &usageError{"read the certificate: " + reason(err), []string{"check --certificate and --certificate-key: both are PEM, and belong together"}}
		}
		// Whichever authorities the server lists: one that was registered needs none.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		s.ByCertificate = true
	default:
		data, err := p.readFile(f.secret, "secret-file", maxToken)
		if err != nil {
			return err
		}
		text := bytes.TrimRight(data, "\r\n")
		if len(text) == 0 || bytes.ContainsAny(text, "\r\n") {
			return &usageError{"the file of --secret-file does not hold one secret", []string{"it holds one line"}}
		}
		s.ClientSecret = client.NewSecret(string(text))
	}
	return nil
}

// maxKeyFile bounds a private key in PEM.
const maxKeyFile = 64 << 10

// readFile reads what a flag names; - is the standard input.
func (p *Program) readFile(file, flag string, longest int64) ([]byte, error) {
	in := p.Stdin
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // the file that the user names
		if err != nil {
			return nil, &usageError{fmt.Sprintf("read the file of --%s: %s", flag, reason(err)), []string{"check --" + flag}}
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, longest+1))
	if err != nil || int64(len(data)) > longest {
		return nil, &usageError{fmt.Sprintf("the file of --%s cannot be read, or is too long to be one", flag), []string{"check --" + flag}}
	}
	return data, nil
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
  sallyport secret rotate --issuer https://sandbox.api.example.com --client-id ID --secret-file - -o json > new.json
  sallyport secret rotate --issuer https://sandbox.api.example.com --client-id ID --key-file client.key --credential cred_…`,
		func(cmd *cobra.Command, _ []string) error {
			over, err := seconds("overlap", overlap)
			if err != nil {
				return err
			}
			in.Overlap = &over
			if expires != "" {
				if in.Expires, err = p.moment(expires); err != nil {
					return err
				}
			}
			if own.secret == "" && credential == "" {
				return &usageError{"by key or certificate, say which secret is to be replaced", []string{"give --credential ID; sallyport secret list shows the client's"}}
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
	cmd.Flags().StringVar(&expires, "expires", "", "`WHEN` the new one stops working: a time, or how long from now, such as 90d; else as late as the client may have it")
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "`DURATION` for which the old one goes on working, such as 48h")
	cmd.Flags().Lookup("overlap").DefValue = "24h" // as people write it
	cmd.Flags().BoolVar(&in.Force, "force", false, "with --overlap 0: end the old one now")
	return cmd
}
