package kube

import (
	"reflect"
	"sync"

	"floe.dev/floe/internal/catalog"
)

// candidates remembers what each pool may buy: sifting every machine type takes milliseconds a pool, and changes only
// with the pool or with what is known of its account.
type candidates struct {
	mu     sync.Mutex
	byPool map[string]sifted // by cluster/pool
}

// sifted is catalog.Candidates' answer, and what it was made of.
type sifted struct {
	pool     *Pool
	view     *catalog.View
	kept     []catalog.Candidate
	rejected map[string]int
	problem  string
}

// of is catalog.Candidates of a pool. Nobody may change the answer.
func (c *candidates) of(cluster string, pool *Pool, view *catalog.View) ([]catalog.Candidate, map[string]int, string) {
	key := cluster + "/" + pool.Name
	c.mu.Lock()
	have, ok := c.byPool[key]
	c.mu.Unlock()
	if ok && have.pool == pool && sameOffers(have.view, view) {
		return have.kept, have.rejected, have.problem
	}
	s := sifted{pool: pool, view: view}
	s.kept, s.rejected, s.problem = catalog.Candidates(pool.NodePool, view)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byPool == nil {
		c.byPool = map[string]sifted{}
	}
	c.byPool[key] = s
	return s.kept, s.rejected, s.problem
}

// sameOffers reports whether two views hold the very same maps, which nobody changes once they are made. Back-offs are
// left out: candidates do not depend on them.
func sameOffers(a, b *catalog.View) bool {
	same := func(x, y any) bool { return reflect.ValueOf(x).Pointer() == reflect.ValueOf(y).Pointer() }
	return a.Account == b.Account && a.Region == b.Region && same(a.Types, b.Types) && same(a.Subnets, b.Subnets) &&
		same(a.Offered, b.Offered) && same(a.SpotUSD, b.SpotUSD)
}
