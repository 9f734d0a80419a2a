package fallback

import (
	"cmp"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// quotaKey is what a quota answer speaks of. EC2 keeps a limit for each group of families; which families share one is
// its own affair, so the memory holds a type by itself and puts together what met the same limit when it is asked.
type quotaKey struct {
	account, region, instanceType string
	capacityType                  v1alpha1.CapacityType
}

func quotaOf(e Event) quotaKey {
	return quotaKey{e.Account, e.Offering.Region, e.Offering.InstanceType, e.Offering.CapacityType}
}

// Quotas are the limits of an account that launches met and that still count at now, sorted by region, code and capacity
// type. A quota's wait begins at QuotaBase and doubles for each further refusal after it, to QuotaCap; a launch of a type by
// the account ends that type's. What one account may not says nothing of another.
func (m *Memory) Quotas(account string, now time.Time) []contract.Quota {
	type limit struct {
		region, code string
		capacityType v1alpha1.CapacityType
	}
	met := map[limit]*contract.Quota{}
	for key, h := range m.quotas {
		if !h.fold(now, m.rules.QuotaBase, m.rules.QuotaCap, m.rules.Lapse) {
			delete(m.quotas, key)
			continue
		}
		until := h.wait.start.Add(h.wait.length)
		if key.account != account || h.wait.length == 0 || !until.After(now) {
			continue
		}
		l := limit{key.region, h.wait.code, key.capacityType}
		q := met[l]
		if q == nil {
			q = &contract.Quota{Account: account, Region: l.region, Code: l.code, CapacityType: l.capacityType}
			met[l] = q
		}
		q.Types = append(q.Types, key.instanceType)
		q.At, q.Until = later(q.At, h.wait.start), later(q.Until, until)
	}
	quotas := make([]contract.Quota, 0, len(met))
	for _, q := range met {
		slices.Sort(q.Types)
		quotas = append(quotas, *q)
	}
	slices.SortFunc(quotas, func(a, b contract.Quota) int {
		return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Code, b.Code), cmp.Compare(a.CapacityType, b.CapacityType))
	})
	return quotas
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
