package fallback

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

// chainOf a few steps, each of the types named.
func chainOf(version int, steps ...[]string) contract.Chain {
	chain := contract.Chain{Version: version}
	for i, types := range steps {
		step := contract.Step{Index: i, CapacityType: v1alpha1.Spot}
		for _, name := range types {
			step.Overrides = append(step.Overrides, override(name, "a", 1))
		}
		if len(types) == 0 {
			step.CapacityType = v1alpha1.Hibernated
		}
		chain.Steps = append(chain.Steps, step)
	}
	return chain
}

func refusedBy(step contract.Step, names ...string) (outcomes []contract.Outcome) {
	for _, o := range step.Overrides {
		for _, name := range names {
			if o.InstanceType == name {
				outcomes = append(outcomes, contract.Outcome{Offering: o.Offering, Answer: contract.AnswerICE})
			}
		}
	}
	return outcomes
}

// asks takes the next step, which must ask for these types.
func asks(t *testing.T, w *Walk, index int, names ...string) contract.Step {
	t.Helper()
	step, ok := w.Next()
	require.True(t, ok)
	require.Equal(t, index, step.Index)
	require.Equal(t, names, types(step))
	return step
}

func ended(t *testing.T, w *Walk) {
	t.Helper()
	_, ok := w.Next()
	require.False(t, ok)
	require.True(t, w.Ended())
}

func TestWalkDoesNotKnockTwice(t *testing.T) {
	w := NewWalk(chainOf(1, []string{"a", "b"}, []string{"a", "b", "c"}, []string{"b"}, []string{"d"}))
	first := asks(t, w, 0, "a", "b")
	w.Answered(first, refusedBy(first, "a", "b"), 0)
	second := asks(t, w, 1, "c")
	w.Answered(second, nil, 1) // too few
	third := asks(t, w, 1, "c")
	w.Answered(third, refusedBy(third, "c"), 1)
	asks(t, w, 3, "d")
	ended(t, w)
}

// Chains of older histories are walked as they were then.
func TestWalkOfAnOldChainAsksAgain(t *testing.T) {
	w := NewWalk(chainOf(0, []string{"a"}, []string{"a"}))
	first := asks(t, w, 0, "a")
	w.Answered(first, refusedBy(first, "a"), 0)
	asks(t, w, 1, "a")
}

// While a hop is under way the next asks for what is left of the chain beside it, and what it leaves is asked for then.
func TestWalkBesideAHopUnderWay(t *testing.T) {
	w := NewWalk(chainOf(1, []string{"a", "b"}, []string{"a", "b", "c"}, nil))
	first := asks(t, w, 0, "a", "b")
	second := asks(t, w, 1, "c")
	claim, ok := w.Next()
	require.True(t, ok)
	require.True(t, claim.Claims())
	_, ok = w.Next()
	require.False(t, ok, "all is asked for")
	require.False(t, w.Ended(), "but a and b may be left")
	w.Answered(second, refusedBy(second, "c"), 0)
	w.Answered(claim, nil, 0)
	w.Answered(first, refusedBy(first, "a"), 1)
	again := asks(t, w, 0, "b")
	w.Answered(again, refusedBy(again, "b"), 0)
	ended(t, w)
}

func TestWalkIsSteered(t *testing.T) {
	w := NewWalk(chainOf(1, []string{"a"}, []string{"b"}, nil, []string{"a", "c"}))
	require.NoError(t, w.Skip(0))
	w.Answered(asks(t, w, 1, "b"), nil, 0)
	require.NoError(t, w.Use(3))
	third := asks(t, w, 3, "a", "c")
	w.Answered(third, refusedBy(third, "a", "c"), 0)
	ended(t, w)

	require.NoError(t, w.Use(0), "a step that was skipped and refused is tried when a person says so")
	w.Answered(asks(t, w, 0, "a"), nil, 0)
	require.NoError(t, w.Skip(2))
	w.Answered(asks(t, w, 1, "b"), nil, 0)
	require.EqualError(t, w.Use(4), "the chain has no step of index 4; the indexes are 0 to 3")
	require.EqualError(t, w.Skip(-1), "the chain has no step of index -1; the indexes are 0 to 3")

	chain := chainOf(1, []string{"a"})
	chain.Steps[0] = contract.Step{Skipped: "no offering fits"}
	require.EqualError(t, NewWalk(chain).Use(0), "it has nothing to try: no offering fits")
}

// Whatever is answered in whatever order: no offering is asked for twice at a time, none that has refused is asked for
// again, every step is tried that was not steered past, and the walk ends.
func TestWalkProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 0, 5, rapid.ID), 1, 6).Draw(t, "chain")
		w := NewWalk(chainOf(1, names...))
		var under []contract.Step
		refused := map[string]bool{}
		for turn := 0; ; turn++ {
			if turn > 1000 {
				t.Fatal("it does not end")
			}
			if len(under) < 3 && rapid.Bool().Draw(t, "hedge") || len(under) == 0 {
				step, ok := w.Next()
				if ok {
					for _, name := range types(step) {
						if refused[name] {
							t.Fatalf("%s has refused already", name)
						}
						for _, other := range under {
							for _, o := range types(other) {
								if o == name {
									t.Fatalf("%s is asked for twice at a time", name)
								}
							}
						}
					}
					under = append(under, step)
					continue
				}
				if len(under) == 0 {
					break
				}
			}
			i := rapid.IntRange(0, len(under)-1).Draw(t, "which")
			step := under[i]
			under = append(under[:i:i], under[i+1:]...)
			got := rapid.IntRange(0, 2).Draw(t, "got")
			no := types(step)
			if got > 0 && len(no) > 0 {
				no = no[rapid.IntRange(0, len(no)-1).Draw(t, "kept"):]
			}
			for _, name := range no {
				refused[name] = true
			}
			w.Answered(step, refusedBy(step, no...), got)
		}
		if !w.Ended() {
			t.Fatal("nothing is under way and nothing comes next, yet it has not ended")
		}
		for _, step := range names {
			for _, name := range step {
				if !refused[name] {
					t.Fatalf("%s was never refused, and is not asked for any more", name)
				}
			}
		}
	})
}

// Without hops beside each other an old chain is walked as the loop did that walked it then.
func TestWalkOfOldChainsIsTheOldLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3, rapid.ID), 1, 4).Draw(t, "chain")
		chain := chainOf(0, names...)
		// The answers are drawn by hop number, so that both see the same.
		answer := func(hop int, step contract.Step) ([]contract.Outcome, int) {
			no := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.ID).Draw(t, fmt.Sprint("refused ", hop))
			return refusedBy(step, no...), rapid.IntRange(0, 1).Draw(t, fmt.Sprint("got ", hop))
		}
		const most = 12
		type hop struct {
			outcomes []contract.Outcome
			got      int
			said     string
		}
		var old []hop
		for _, step := range chain.Steps {
			for len(step.Overrides) > 0 && len(old) < most {
				outcomes, got := answer(len(old), step)
				old = append(old, hop{outcomes, got, fmt.Sprint(step.Index, types(step))})
				step = Rest(step, outcomes, got)
			}
		}
		w := NewWalk(chain)
		for i, want := range old {
			step, ok := w.Next()
			if said := fmt.Sprint(step.Index, types(step)); !ok || said != want.said {
				t.Fatalf("hop %d asks for %s, and asked for %s", i, said, want.said)
			}
			w.Answered(step, want.outcomes, want.got)
		}
		if _, ok := w.Next(); ok && len(old) < most {
			t.Fatal("it goes on where the old loop ended")
		}
	})
}
