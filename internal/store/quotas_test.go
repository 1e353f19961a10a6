package store_test

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func TestCountsOfQuotasAddUp(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		day := limit.Count{Scope: "product P", Subject: "app_1", Period: limit.Day, Start: limit.Day.Start(noon), Count: 3}
		month := limit.Count{Scope: "product P", Subject: "app_1", Period: limit.Month, Start: limit.Month.Start(noon), Count: 4}
		old := limit.Count{Scope: "product P", Subject: "app_1", Period: limit.Month, Start: limit.Month.Start(noon).AddDate(0, -1, 0), Count: 9}
		for _, want := range [][]int64{{3, 4, 9}, {6, 8, 18}} {
			totals, err := s.AddCounts(t.Context(), []limit.Count{day, month, old})
			if err != nil {
				t.Fatal(err)
			}
			same(t, want, totals)
		}
		got := map[limit.Count]bool{}
		if err := s.Counts(t.Context(), limit.Month.Start(noon), func(k limit.Count) { got[k] = true }); err != nil {
			t.Fatal(err)
		}
		day.Count, month.Count = 6, 8
		same(t, map[limit.Count]bool{day: true, month: true}, got)
		if err := s.Prune(t.Context(), store.Retention{Usage: time.Hour}); err != nil {
			t.Fatal(err)
		}
	})
}
