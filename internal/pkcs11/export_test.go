//go:build cgo

package pkcs11

import (
	"context"

	"github.com/miekg/pkcs11"
)

// Protection tells whether a private key is sensitive, and whether it can be taken out.
func (m *Module) Protection(ctx context.Context, uri string) (sensitive, extractable bool, err error) {
	where, err := parseReference(uri)
	if err != nil {
		return false, false, err
	}
	err = m.do(ctx, func(s pkcs11.SessionHandle) error {
		object, err := m.find(s, pkcs11.CKO_PRIVATE_KEY, where.id)
		if err != nil {
			return err
		}
		got, err := m.lib.GetAttributeValue(s, object, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, nil), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, nil),
		})
		if err == nil {
			sensitive, extractable = got[0].Value[0] != 0, got[1].Value[0] != 0
		}
		return err
	})
	return sensitive, extractable, err
}
