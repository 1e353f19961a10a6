package cli

import (
	"errors"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// naming shows the names of organizations and apps where tables have their ids. The
// zero one shows ids.
type naming struct {
	orgs map[string]api.Organization // by id
	apps map[string]api.App
	// How many of them have a name.
	sameOrg map[string]int
	sameApp map[[3]string]int
}

// idsFlag gives a command the flag that leaves ids as they are.
func idsFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("ids", false, "show the ids of organizations and apps in place of their names")
}

// Few things are asked for one by one; of many all are listed, some pages at most.
const (
	fewNamed   = 4
	mostPages  = 20
	pageOfMany = 1000
)

// namesOf reads the names of the organizations and apps that a table has. JSON and
// --ids need none.
func (p *Program) namesOf(cmd *cobra.Command, m *client.Management, orgs, apps []string) (n naming, err error) {
	if ids, err := cmd.Flags().GetBool("ids"); err != nil || ids || p.flags.output != "table" {
		return n, err
	}
	ctx := cmd.Context()
	if n.apps, err = named(apps, func(id string) (api.App, error) { return m.App(ctx, id) },
		func(page api.Page) (api.List[api.App], error) { return m.Apps(ctx, sole(orgs), page) },
		func(a api.App) string { return a.ID }); err != nil {
		return n, err
	}
	for _, a := range n.apps {
		orgs = append(orgs, a.Org)
	}
	n.orgs, err = named(orgs, func(id string) (api.Organization, error) { return m.Organization(ctx, id) },
		func(page api.Page) (api.List[api.Organization], error) { return m.Organizations(ctx, page) },
		func(o api.Organization) string { return o.ID })
	n.sameOrg, n.sameApp = map[string]int{}, map[[3]string]int{}
	for _, o := range n.orgs {
		n.sameOrg[o.Name]++
	}
	for _, a := range n.apps {
		n.sameApp[alike(a)]++
	}
	return n, err
}

// sole returns what all of some ids are, "" if they differ.
func sole(ids []string) string {
	if ids = slices.Compact(slices.Clone(ids)); len(ids) == 1 {
		return ids[0]
	}
	return ""
}

// named reads the things with these ids: one by one, or all, if they are many. What is
// gone by now is left out.
func named[T any](ids []string, one func(id string) (T, error), list func(api.Page) (api.List[T], error), idOf func(T) string) (map[string]T, error) {
	wanted := slices.Compact(slices.Sorted(slices.Values(ids)))
	wanted = slices.DeleteFunc(wanted, func(id string) bool { return id == "" })
	found := map[string]T{}
	if len(wanted) <= fewNamed {
		for _, id := range wanted {
			thing, err := one(id)
			var refused *client.Error
			if errors.As(err, &refused) && refused.Problem.Status == http.StatusNotFound {
				continue
			}
			if err != nil {
				return nil, err
			}
			found[id] = thing
		}
		return found, nil
	}
	page := api.Page{Limit: pageOfMany}
	for range mostPages {
		part, err := list(page)
		if err != nil {
			return nil, err
		}
		for _, thing := range part.Items {
			if _, ok := slices.BinarySearch(wanted, idOf(thing)); ok {
				found[idOf(thing)] = thing
			}
		}
		if page.After = part.Next; page.After == "" || len(found) == len(wanted) {
			break
		}
	}
	return found, nil
}

// org shows an organization; one whose name others in the table have, with its id.
func (n naming) org(id string) string {
	return shown(id, n.orgs[id].Name, n.sameOrg[n.orgs[id].Name])
}

// app shows an app; one whose name others of its organization and environment have, with
// its id.
func (n naming) app(id string) string {
	return shown(id, n.apps[id].Name, n.sameApp[alike(n.apps[id])])
}

// shown is the name of what has that id, if it is known, and alone in having it.
func shown(id, name string, having int) string {
	switch {
	case name == "":
		return id
	case having > 1:
		return name + " (" + id + ")"
	}
	return name
}

// alike is what apps have in common that a table does not tell apart.
func alike(a api.App) [3]string { return [3]string{a.Org, a.Environment, a.Name} }

// idsOf lists what each of some things has.
func idsOf[T any](things []T, of func(T) string) []string {
	out := make([]string, len(things))
	for i, thing := range things {
		out[i] = of(thing)
	}
	return out
}
