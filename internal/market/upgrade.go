package market

import (
	"context"
	"errors"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

var errUpgraded = errors.New("market: the credential is no imported secret any more")

// UpgradeCredential puts our keyed hash of a secret in the place of the one that it
// was imported with. Whoever calls has found that the two are of one secret. It is
// done once, however many call.
func (m *Market) UpgradeCredential(ctx context.Context, cred id.Credential, text secret.String) error {
	err := m.Store.Update(ctx, System, func(tx Tx) error {
		c, err := tx.Credential(cred)
		if err != nil {
			return err
		}
		if c.Kind != ImportedSecret || !c.Live(m.Now()) {
			return errUpgraded
		}
		a, err := tx.App(c.App)
		if err != nil {
			return err
		}
		c.Kind, c.Hash, c.Material = ClientSecret, m.Hasher.Hash(text.Reveal()), ""
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		return tx.Record(credentialChange("upgrade", a, c, map[string]any{"from": ImportedSecret, "hint": c.Hint}))
	})
	if errors.Is(err, errUpgraded) {
		return nil
	}
	return err
}
