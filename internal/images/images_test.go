package images

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

var monday = time.Date(2026, 7, 6, 0, 0, 0, 0, time.UTC)

// digest of a release.
func digest(name string, release int) string {
	return fmt.Sprintf("registry.example/%s@sha256:%064x", name, release)
}

// hourly are uses at every hour that passes, from..to.
func hourly(image string, bytes int64, nodes int, from, to time.Time, passes func(time.Time) bool) (uses []Use) {
	for at := from; at.Before(to); at = at.Add(time.Hour) {
		if passes(at) {
			uses = append(uses, Use{Image: image, Bytes: bytes, At: at, Pods: nodes, Nodes: nodes})
		}
	}
	return uses
}

func always(time.Time) bool { return true }

func byImage(choices []Choice) map[string]Choice {
	m := map[string]Choice{}
	for _, c := range choices {
		m[c.Image] = c
	}
	return m
}

func TestWhatMostMachinesNeedComesFirst(t *testing.T) {
	l := NewLedger(nil)
	l.Learn(hourly(digest("common", 1), 400<<20, 4, monday, monday.Add(72*time.Hour), always)...)
	l.Learn(hourly(digest("rare", 1), 400<<20, 1, monday, monday.Add(72*time.Hour), func(at time.Time) bool { return at.Hour()%4 == 0 })...)
	found := l.Choose(Scored, monday.Add(72*time.Hour), 500<<20)
	require.Equal(t, digest("common", 1), found[0].Image)
	require.InDelta(t, 1, found[0].Score, 0.01)
	require.True(t, found[0].Prefetch)
	require.Contains(t, found[0].Reason, "100 % of the machines that wake in the next day are likely to need it, most at ")
	require.Contains(t, found[0].Reason, "; used on 288 machines in 3 days, last on Jul 8 23:00")
	require.False(t, found[1].Prefetch)
	require.Contains(t, found[1].Reason, "it takes 400 MiB, and 100 MiB of 500 MiB are left")
	require.InDelta(t, 1.0/16, found[1].Score, 0.02)
}

// The job of the night is worth its room in the evening, and that of Sunday on Saturday; neither on a Monday morning, where
// recency alone would take Sunday's.
func TestTheHourOfTheWeekCounts(t *testing.T) {
	l := NewLedger(nil)
	end := monday.Add(28 * 24 * time.Hour)
	l.Learn(hourly(digest("web", 1), 100<<20, 5, monday, end, always)...)
	l.Learn(hourly(digest("weekly", 1), 3<<30, 5, monday, end, func(at time.Time) bool { return at.Weekday() == time.Sunday && at.Hour() == 4 })...)
	sunday, weekday := end.Add(-36*time.Hour), end.Add(12*time.Hour)
	require.Equal(t, time.Saturday, sunday.Weekday())
	l.Learn(hourly(digest("web", 1), 100<<20, 5, end, weekday, always)...)
	before, after := byImage(l.Choose(Scored, sunday, 8<<30)), byImage(l.Choose(Scored, weekday, 8<<30))
	require.True(t, before[digest("weekly", 1)].Prefetch)
	require.Greater(t, before[digest("weekly", 1)].Score, 3*after[digest("weekly", 1)].Score)
	require.Contains(t, before[digest("weekly", 1)].Reason, "most at Sun 04h")
	require.True(t, byImage(l.Choose(LRU, weekday, 8<<30))[digest("weekly", 1)].Prefetch, "LRU takes whatever there is room for")
}

func TestAReleaseInheritsAndReplaces(t *testing.T) {
	l := NewLedger(nil)
	release := monday.Add(100 * time.Hour)
	l.Learn(hourly(digest("web", 1), 300<<20, 5, monday, release.Add(2*time.Hour), always)...)
	l.Learn(hourly(digest("web", 2), 310<<20, 5, release, release.Add(3*time.Hour), always)...)
	found := byImage(l.Choose(Scored, release.Add(3*time.Hour), 8<<30))
	old, now := found[digest("web", 1)], found[digest("web", 2)]
	require.False(t, old.Prefetch)
	require.Zero(t, old.Score)
	require.Contains(t, old.Reason, "not prefetched: web@0000000 took its place on Jul 10 04:00")
	require.True(t, now.Prefetch)
	require.Greater(t, now.Score, 0.9)
	require.Contains(t, now.Reason, "it took the place of web@0000000, and its history")
}

// A release that is taken back is no successor: the older image is used again, and the newer falls silent.
func TestAReleaseThatIsTakenBack(t *testing.T) {
	l := NewLedger(nil)
	l.Learn(hourly(digest("web", 1), 300<<20, 5, monday, monday.Add(48*time.Hour), always)...)
	l.Learn(hourly(digest("web", 2), 300<<20, 5, monday.Add(48*time.Hour), monday.Add(50*time.Hour), always)...)
	l.Learn(hourly(digest("web", 1), 300<<20, 5, monday.Add(50*time.Hour), monday.Add(72*time.Hour), always)...)
	found := byImage(l.Choose(Scored, monday.Add(72*time.Hour), 8<<30))
	require.Greater(t, found[digest("web", 1)].Score, 0.9)
	require.Less(t, found[digest("web", 2)].Score, 0.01)
	require.Contains(t, found[digest("web", 2)].Reason, "silent for 23 h, and never for more than 1 h before")
}

func TestWhatNoKubeletHasMeasured(t *testing.T) {
	l := NewLedger(hourly("example.com/app:1", 0, 1, monday, monday.Add(3*time.Hour), always))
	found := l.Choose(Scored, monday.Add(3*time.Hour), 1<<30)
	require.True(t, found[0].Guessed)
	require.EqualValues(t, unknownBytes, found[0].Bytes)
	require.True(t, found[0].Prefetch)
}

func TestRepository(t *testing.T) {
	for image, want := range map[string]string{
		"nginx":                             "nginx",
		"nginx:1.25":                        "nginx",
		"docker.io/library/nginx@sha256:ab": "docker.io/library/nginx",
		"localhost:5000/app":                "localhost:5000/app",
		"localhost:5000/team/app:v1@sha256:abcde": "localhost:5000/team/app",
	} {
		require.Equal(t, want, Repository(image), image)
	}
	require.Equal(t, "nginx:1.25", short("docker.io/library/nginx:1.25"))
	require.Equal(t, "nginx@abc", short("docker.io/library/nginx:1@sha256:abc"))
}

func TestDrift(t *testing.T) {
	today := []contract.ChosenImage{{Image: "a", Bytes: 3}, {Image: digest("b", 1), Bytes: 1}}
	for _, c := range []struct {
		tried []string
		want  float64
	}{{nil, 1}, {[]string{"a"}, 0.25}, {[]string{digest("b", 1), "c"}, 0.75}, {[]string{"a", digest("b", 1), "old"}, 0}} {
		var keys []string
		for _, image := range c.tried {
			keys = append(keys, contract.ImageKey(image))
		}
		require.InDelta(t, c.want, Drift(keys, today), 1e-9, "%v", c.tried)
	}
	require.Zero(t, Drift(nil, nil), "nothing is wanted")
}

func TestWordsOnWhatWasPrefetched(t *testing.T) {
	require.Empty(t, Told(nil))
	require.Equal(t, "No image was prefetched: nothing is known.", Told(&contract.Prefetched{PrefetchResult: contract.PrefetchResult{Note: "nothing is known"}}))
	p := &contract.Prefetched{PrefetchResult: contract.PrefetchResult{
		Images: []string{"a", "b"}, Bytes: 3 << 30, Failed: []contract.PrefetchFailure{{Image: digest("web", 7), Reason: "ImagePullBackOff: not found"}},
	}}
	require.Equal(t, "2 images prefetched, 3.0 GiB. 1 image could not be: web@0000000: ImagePullBackOff: not found.", Told(p))
	p.Lost = []string{"a", "b", "c", "d"}
	require.Contains(t, Told(p), "4 images gone when it woke: a, b, c and 1 more.")

	listed := []string{"a", "b", "c"}
	require.Empty(t, There(nil, 0, nil))
	require.Equal(t, " Prefetched and there still: 3 images.", There(listed, 3, nil))
	require.Contains(t, There(listed, 2, []string{"c"}), " Prefetched and gone: 1 image (c). ")
	require.Equal(t, " Prefetched, and nobody knows whether there still: 1 image.", There(listed, 2, nil))
}

func TestForget(t *testing.T) {
	l := NewLedger(hourly(digest("web", 1), 1, 2, monday, monday.Add(3*time.Hour), always))
	l.Forget(monday.Add(2 * time.Hour))
	require.Equal(t, 2, l.Choose(Scored, monday.Add(3*time.Hour), 0)[0].Nodes)
	l.Forget(monday.Add(3 * time.Hour))
	require.Empty(t, l.Choose(Scored, monday.Add(3*time.Hour), 0))
}

// Whatever was used: the budget is kept, every image is spoken of once with a score between 0 and 1 and a reason, and
// neither the order in which uses were learned, nor learning them twice, nor what comes later changes anything.
func TestChoicesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var uses []Use
		seen := map[string]bool{}
		for range rapid.IntRange(0, 60).Draw(t, "uses") {
			u := Use{
				Image: digest(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"), rapid.IntRange(1, 3).Draw(t, "release")),
				Bytes: rapid.Int64Range(0, 4<<30).Draw(t, "bytes"),
				At:    monday.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "window")) * Window),
				Nodes: rapid.IntRange(1, 9).Draw(t, "nodes"),
			}
			if key := u.Image + u.At.String(); !seen[key] {
				seen[key] = true
				uses = append(uses, u)
			}
		}
		at := monday.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "at")) * Window)
		budget := rapid.Int64Range(0, 8<<30).Draw(t, "budget")
		policy := rapid.SampledFrom([]Policy{Scored, LRU, LFU}).Draw(t, "policy")
		l := NewLedger(uses)
		found := l.Choose(policy, at, budget)
		var taken int64
		names := map[string]bool{}
		for _, c := range found {
			require.False(t, names[c.Image], "spoken of twice")
			names[c.Image] = true
			require.True(t, c.Score >= 0 && c.Score <= 1, "%v", c.Score)
			require.NotEmpty(t, c.Reason)
			require.True(t, c.Last.Before(at))
			if c.Prefetch {
				taken += c.Bytes
			}
		}
		require.LessOrEqual(t, taken, budget)
		if rapid.Bool().Draw(t, "sizes") { // the last size that was told holds, so that the order matters to it alone
			return
		}
		for n := range uses {
			uses[n].Bytes = 1 << 30
		}
		shuffled := NewLedger(rapid.Permutation(uses).Draw(t, "order"))
		shuffled.Learn(uses...)
		require.Equal(t, NewLedger(uses).Choose(policy, at, budget), shuffled.Choose(policy, at, budget))
		shuffled.Learn(Use{Image: digest("a", 1), At: at, Nodes: 1000}, Use{Image: digest("z", 1), At: at.Add(-Memory - Window), Nodes: 1000})
		require.Equal(t, NewLedger(uses).Choose(policy, at, budget), shuffled.Choose(policy, at, budget))
	})
}

// One repository with an image for each program: neither is the other's release, though one began later and was used last.
func TestImagesBesideEachOther(t *testing.T) {
	l := NewLedger(nil)
	l.Learn(hourly(digest("mono", 1), 100<<20, 5, monday, monday.Add(72*time.Hour), always)...)
	l.Learn(hourly(digest("mono", 2), 100<<20, 5, monday.Add(24*time.Hour), monday.Add(73*time.Hour), always)...)
	found := byImage(l.Choose(Scored, monday.Add(73*time.Hour), 8<<30))
	for release := 1; release <= 2; release++ {
		require.True(t, found[digest("mono", release)].Prefetch)
		require.NotContains(t, found[digest("mono", release)].Reason, "took")
	}
}
