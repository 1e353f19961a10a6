package keyring

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// sealAnew seals under the present sealing key what is sealed under one that it
// replaced, once all nodes know the present one: so nodes may be given it one
// after the other. What cannot be opened stays as it is.
func (r *Ring) sealAnew(ctx context.Context) error {
	sealer := r.cfg.Sealer
	opens := func(record Record) bool {
		_, _, err := sealer.open(r.cfg.Environment, record.Use, record.KID, record.Sealed)
		return err == nil
	}
	due := func(record Record) bool { return sealer.replaced(record) && opens(record) }
	if !slices.ContainsFunc(r.set.Load().records, due) {
		return nil
	}
	err := r.update(ctx, market.System, func(stored Stored) (put []Record, done market.Change, err error) {
		present := sealer.IDs()[0]
		if sealer.knownTo(r.serving(stored.Nodes, r.now())).IDs()[0] != present {
			return nil, done, nil
		}
		for _, record := range stored.Keys {
			if !sealer.replaced(record) {
				continue
			}
			if what, plain, err := sealer.open(r.cfg.Environment, record.Use, record.KID, record.Sealed); err == nil {
				record.Sealed = sealer.seal(what, r.cfg.Environment, record.Use, record.KID, plain)
				put = append(put, record)
			}
		}
		return put, market.Change{
			Action: "seal", Kind: market.KindKeys, ID: string(r.cfg.Environment),
			Detail: map[string]any{"environment": string(r.cfg.Environment), "sealing_key": present, "keys": len(put)},
			Feed:   market.KindKeys, FeedKey: string(r.cfg.Environment),
		}, nil
	})
	if err != nil {
		return fmt.Errorf("seal the signing keys of %s anew: %w", r.cfg.Environment, err)
	}
	return nil
}
