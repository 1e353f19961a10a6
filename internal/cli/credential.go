package cli

import (
	"bytes"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) credentialCommand() *cobra.Command {
	return p.noun("credential", "Credentials: what an app authenticates by; several may be live at once",
		`  sallyport credential create claims --org "Acme Health" --label "build server"
  sallyport credential create claims --public-key public.pem
  sallyport credential list claims`,
		p.credentialCreate(), p.credentialList(), p.credentialRotate(), p.credentialExpire(), p.credentialRevoke())
}

func credentialTable(all ...api.Credential) table {
	t := table{header: []string{"ID", "KIND", "LABEL", "HINT", "LIVE", "CREATED", "EXPIRES", "REVOKED", "LAST USED", "FROM"}}
	for _, c := range all {
		t.add(c.ID, c.Kind, c.Label, c.Hint, yesNo(c.Live), when(c.Created), when(c.Expires), when(c.Revoked), when(c.LastUsed), c.LastUsedFrom)
	}
	return t
}

func credentialMembers(c api.Credential) table {
	return members("id", c.ID, "app", c.App, "kind", c.Kind, "label", c.Label, "hint", c.Hint, "thumbprint", c.Thumbprint,
		"jwks_uri", c.JWKSURI, "certified name", c.CertifiedName, "live", yesNo(c.Live), "created", when(c.Created),
		"created by", c.CreatedBy, "replaces", c.Replaces, "expires", when(c.Expires), "revoked", when(c.Revoked), "last used", when(c.LastUsed), "from", c.LastUsedFrom)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (p *Program) credentialCreate() *cobra.Command {
	var org, expires, publicKey, certificate string
	var in api.NewCredential
	cmd := p.manage("create APP", "Make a client secret, which is shown only now; or add a key or a certificate",
		`  sallyport credential create claims --org "Acme Health" --label "build server" --expires 90d
  sallyport credential create claims -o json > secret.json
  sallyport credential create claims --public-key public.pem
  sallyport credential create claims --jwks-uri https://client.example/jwks.json
  sallyport credential create claims --certificate client.pem
  sallyport credential create claims --certified-name san_dns:client.example`,
		func(cmd *cobra.Command, m *client.Management, args []string) error {
			var err error
			if in.Expires, err = p.moment(expires); err != nil {
				return err
			}
			if in.PublicKey, err = textOf(publicKey); err != nil {
				return err
			}
			if in.Certificate, err = textOf(certificate); err != nil {
				return err
			}
			app, err := findApp(cmd.Context(), m, org, args[0])
			if err != nil {
				return err
			}
			c, err := m.CreateCredential(cmd.Context(), app, in)
			if err != nil {
				return err
			}
			if c.ClientSecret.Reveal() == "" {
				shown := credentialMembers(c.Credential)
				shown.add("client_id", c.ClientID)
				return p.answer(c, shown)
			}
			if err := p.answer(c, members("id", c.ID, "app", c.App, "label", c.Label, "expires", when(c.Expires),
				"client_id", c.ClientID, "client_secret", c.ClientSecret.Reveal())); err != nil {
				return err
			}
			p.note("note: the client secret is shown only this once; keep it where others cannot read it")
			return nil
		})
	orgFlag(cmd, &org, withinOrg)
	cmd.Flags().StringVar(&in.Label, "label", "", "`TEXT` to know it by")
	cmd.Flags().StringVar(&expires, "expires", "never", "`WHEN` it stops working: a time, or how long from now, such as 90d")
	cmd.Flags().StringVar(&publicKey, "public-key", "", "no secret, but the public key of `FILE` (JWK, or PEM of a key or certificate): private_key_jwt")
	cmd.Flags().StringVar(&in.JWKSURI, "jwks-uri", "", "no secret, but the keys that the app publishes at `URL`: private_key_jwt")
	cmd.Flags().StringVar(&certificate, "certificate", "", "no secret, but the certificate of `FILE` (PEM): self_signed_tls_client_auth")
	cmd.Flags().StringVar(&in.CertifiedName, "certified-name", "", "no secret, but any trusted certificate with this `NAME`, such as san_dns:client.example: tls_client_auth")
	cmd.MarkFlagsMutuallyExclusive("public-key", "jwks-uri", "certificate", "certified-name")
	return cmd
}

// maxMaterial bounds a key or a certificate in a file: the server takes no more.
const maxMaterial = 64 << 10

// textOf reads a small file that a flag names; no flag is no text.
func textOf(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	f, err := os.Open(file) //nolint:gosec // the file that the operator names
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxMaterial+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxMaterial:
		return "", usagef("%s is too large for a key or a certificate", file)
	case len(bytes.TrimSpace(text)) == 0:
		return "", usagef("%s is empty", file)
	case bytes.Contains(text, []byte("PRIVATE KEY-----")): // RFC 7468 §10, §11, §13
		return "", &usageError{file + " holds a private key; nothing was sent", []string{
			"a public key is made of it by: openssl pkey -in " + file + " -pubout; a certificate is in a file of its own",
		}}
	}
	return string(text), nil
}

func (p *Program) credentialExpire() *cobra.Command {
	cmd := operation(p, "expire CREDENTIAL WHEN", "Move the moment at which a credential stops working; its tokens live on",
		`  sallyport credential expire cred_7k2m4x6d3c5b7a2e4f6g3h5j7q 7d
  sallyport credential expire cred_7k2m4x6d3c5b7a2e4f6g3h5j7q never`, credentialMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (c api.Credential, err error) {
			at, err := p.moment(args[1])
			if err != nil {
				return c, err
			}
			return unlessInUse(p, cmd, func(force bool) (api.Credential, error) {
				return m.ExpireCredential(cmd.Context(), args[0], api.CredentialPatch{Expires: &api.Expiry{Time: at}, Force: force})
			})
		})
	forceFlag(cmd)
	return cmd
}

func (p *Program) credentialRevoke() *cobra.Command {
	cmd := operation(p, "revoke CREDENTIAL", "End a credential at once, and every token that it got",
		`  sallyport credential revoke cred_7k2m4x6d3c5b7a2e4f6g3h5j7q --yes`, credentialMembers,
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Credential, error) {
			return unlessInUse(p, cmd, func(force bool) (api.Credential, error) {
				return m.RevokeCredential(cmd.Context(), args[0], api.CredentialRevocation{Force: force})
			})
		})
	p.asksFirst(cmd, func(args []string) string { return "Revoke " + args[0] + " and every token that it got?" })
	forceFlag(cmd)
	return cmd
}
