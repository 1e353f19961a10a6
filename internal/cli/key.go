package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) keyCommand() *cobra.Command {
	return p.noun("key", "Signing keys; they rotate by themselves",
		`  sallyport key list --environment sandbox
  sallyport key rotate --environment production --emergency --yes`,
		p.keyList(), p.keyRotate(), p.keyRevoke())
}

func keyTable(all ...api.Key) table {
	t := table{header: []string{"KID", "ENVIRONMENT", "USE", "ALGORITHM", "STATE", "ACTIVATES", "RETIRES", "REVOKED", "KEPT", "SEALED UNDER"}}
	for _, k := range all {
		t.add(k.KID, k.Environment, k.Use, k.Algorithm, k.State, activates(k), when(k.Retires), when(k.Revoked), k.Kept, k.SealingKey)
	}
	return t
}

// activates says when a key begins to sign, or what it waits for.
func activates(k api.Key) string {
	switch {
	case !k.Activates.IsZero():
		return when(k.Activates)
	case !k.Revoked.IsZero():
		return ""
	case len(k.WaitingFor) > 0:
		return "waits since " + when(k.Created) + " for " + words(k.WaitingFor)
	}
	return "every node holds it"
}

func (p *Program) keyList() *cobra.Command {
	var environment string
	cmd := operation(p, "list", "List signing keys and how far each is in its life", `  sallyport key list --environment sandbox`, items(keyTable),
		func(cmd *cobra.Command, m *client.Management, _ []string) (api.List[api.Key], error) {
			return m.Keys(cmd.Context(), environment)
		})
	environmentFlag(cmd, &environment, "only those of this `ENVIRONMENT`")
	return cmd
}

func (p *Program) keyRotate() *cobra.Command {
	var in api.KeyRotation
	cmd := p.verb("rotate", "Make a new signing key; with --emergency it signs at once and those before are revoked",
		`  sallyport key rotate --environment sandbox
  sallyport key rotate --environment production --emergency --yes`,
		func(cmd *cobra.Command, _ []string) error {
			if in.Emergency {
				if err := p.confirm(cmd, "Revoke the "+in.Use+" keys of "+in.Environment+" and every token that they signed?"); err != nil {
					return err
				}
			}
			m, err := p.management()
			if err != nil {
				return err
			}
			k, err := m.RotateKey(cmd.Context(), in)
			if err != nil {
				return err
			}
			if err := p.answer(k, keyTable(k)); err != nil {
				return err
			}
			if len(k.Revokes) > 0 {
				p.note("note: every token is refused within a second that was signed with: %s", words(k.Revokes))
			}
			return nil
		})
	environmentFlag(cmd, &in.Environment, "`ENVIRONMENT` whose key it is")
	need(cmd, "environment")
	flags := cmd.Flags()
	flags.StringVar(&in.Use, "use", "token", "what the key signs, its `USE`: token, or identity (what upstreams get)")
	flags.StringVar(&in.Algorithm, "algorithm", "", "`ALGORITHM`: RS256, ES256 or EdDSA; empty: as the key before")
	flags.BoolVar(&in.Emergency, "emergency", false, "the key is known to others: sign with the new one at once, revoke those before")
	complete(cmd, "use", "token", "identity")
	complete(cmd, "algorithm", "RS256", "ES256", "EdDSA")
	yesFlag(cmd)
	return cmd
}

func (p *Program) keyRevoke() *cobra.Command {
	cmd := operation(p, "revoke KID", "Revoke a signing key, and every token that it signed", `  sallyport key revoke KID --yes`, one(keyTable),
		func(cmd *cobra.Command, m *client.Management, args []string) (api.Key, error) {
			return m.RevokeKey(cmd.Context(), args[0])
		})
	p.asksFirst(cmd, func(args []string) string { return "Revoke the key " + args[0] + " and every token that it signed?" })
	return cmd
}
