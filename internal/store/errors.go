package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// sentences is what to say when a statement breaks a constraint: by the name
// that PostgreSQL gives it (table_column_key, table_pkey), or by foreign.
type sentences map[string]*market.Error

// foreign stands for every reference of a statement: SQLite does not tell which
// one is broken.
const foreign = "foreign"

// conflict is the error for something that is taken; hint says what to do next.
func conflict(hint, format string, args ...any) *market.Error {
	return &market.Error{Code: market.Conflict, Public: fmt.Sprintf(format, args...), Hint: hint}
}

// noSuch is the error for a thing that has no name, or none to repeat.
func noSuch(hint, format string, args ...any) *market.Error {
	return &market.Error{Code: market.NotFound, Public: fmt.Sprintf(format, args...), Hint: hint}
}

// unavailable is the error for a database that cannot be had just now.
func unavailable(cause error) *market.Error {
	return &market.Error{
		Code: market.Unavailable, Public: "the store cannot be reached at the moment",
		Hint: "try again in a moment", Err: cause,
	}
}

// translate is the only place where the errors of drivers become ours. What it
// returns holds their text, never their types, so that nobody can come to
// depend on an engine. Errors of the domain pass.
func translate(e *engine, doing string, err error, said sentences) error {
	var known *market.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled):
		return unavailable(fmt.Errorf("%s: %w", doing, context.Canceled))
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable(fmt.Errorf("%s: %w", doing, context.DeadlineExceeded))
	}
	cause := fmt.Errorf("%s: %s", doing, err.Error()) // no %w: the type stays here
	key := foreign
	switch f := e.fault(err); f.kind {
	case faultAgain, faultAway:
		return unavailable(cause)
	case faultUnique:
		key = f.constraint
	case faultForeign:
	case faultOther:
		return fmt.Errorf("store: %w", cause)
	}
	if say, ok := said[key]; ok {
		with := *say
		with.Err = cause
		return &with
	}
	return fmt.Errorf("store: %w", cause)
}

// translateCommit is translate for the one moment at which a lost connection
// leaves open what happened.
func translateCommit(e *engine, err error) error {
	translated := translate(e, "commit", err, nil)
	var m *market.Error
	if errors.As(translated, &m) && m.Code == market.Unavailable && e.fault(err).kind == faultAway {
		return &market.Error{
			Code: market.Unavailable, Public: "the store went away while it was saving: the change may be kept, or not",
			Hint: "look before you try again", Err: m.Err,
		}
	}
	return translated
}
