package store

import (
	"time"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/images"
)

func (s *onAStore) TestImages() {
	ctx := s.T().Context()
	window := time.Date(2026, 7, 6, 12, 10, 0, 0, time.UTC)
	record := func(pool string, at time.Time, nodes int) contract.ImageRecord {
		return contract.ImageRecord{
			ID: contract.ImageRecordID("demo", pool, at), At: at, Cluster: "demo", Pool: pool,
			Images: []contract.ImageUse{{Image: "registry.example/web@sha256:1", Bytes: 5 << 30, Pods: 2 * nodes, Nodes: nodes}},
		}
	}
	s.Require().NoError(s.store.PutImages(ctx, []contract.ImageRecord{record("api", window, 1), record("batch", window, 2)}))
	// Another watcher has seen the same window, not quite the same, and the next one.
	s.Require().NoError(s.store.PutImages(ctx, []contract.ImageRecord{record("api", window, 9), record("api", window.Add(images.Window), 3)}))

	use := func(at time.Time, nodes int) images.Use {
		return images.Use{Image: "registry.example/web@sha256:1", Bytes: 5 << 30, At: at, Pods: 2 * nodes, Nodes: nodes}
	}
	for _, c := range []struct {
		cluster, pool string
		since         time.Time
		want          map[string][]images.Use
	}{
		{"demo", "api", window, map[string][]images.Use{"api": {use(window, 1), use(window.Add(images.Window), 3)}}},
		{"demo", "api", window.Add(time.Second), map[string][]images.Use{"api": {use(window.Add(images.Window), 3)}}},
		{"demo", "", window, map[string][]images.Use{"api": {use(window, 1), use(window.Add(images.Window), 3)}, "batch": {use(window, 2)}}},
		{"other", "", window, map[string][]images.Use{}},
	} {
		found, err := s.store.Images(ctx, c.cluster, c.pool, c.since)
		s.Require().NoError(err)
		for _, uses := range found {
			for i := range uses {
				uses[i].At = uses[i].At.UTC()
			}
		}
		s.Len(found, len(c.want))
		for pool, uses := range c.want {
			s.ElementsMatch(uses, found[pool])
		}
	}
	s.Equal(contract.ErrInvalidInput, typeOf(s.T(), s.store.PutImages(ctx, []contract.ImageRecord{{Pool: "api"}})))
}
