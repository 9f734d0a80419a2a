package reclaim

import (
	"cmp"
	"slices"
	"time"

	"floe.dev/floe/api/contract"
)

// urgency orders the kinds.
var urgency = []contract.ReclaimKind{contract.ReclaimRebalance, contract.ReclaimScheduled, contract.ReclaimInterruption}

func rank(kind contract.ReclaimKind) int { return slices.Index(urgency, kind) }

// Known reports whether a kind is one of the contract's.
func Known(kind contract.ReclaimKind) bool { return rank(kind) >= 0 }

// Hear takes one more notice into what was heard of a machine; nil where nothing was. Notices are asked about, unless one
// at least as urgent stands already: that one's deadline can only become earlier. Nobody can be asked about a rebalance
// recommendation, which stands at once.
func Hear(before *contract.ReclaimState, notice contract.Reclaim, now time.Time) *contract.ReclaimState {
	s := &contract.ReclaimState{}
	if before != nil {
		*s = *before
	}
	s.Notices++
	s.Unmark = false
	if s.Stands() && rank(notice.Kind) <= rank(s.Kind) {
		s.Deadline = Earlier(s.Deadline, notice.Deadline)
		s.Stay = s.Stay && (notice.Stay || notice.Kind != s.Kind)
		return s
	}
	if notice.Kind == contract.ReclaimRebalance {
		return stand(s, notice, contract.ConfirmReclaimResult{
			Verdict: contract.ReclaimConfirmed, Why: "EC2 says it once and shows it nowhere",
		}, now)
	}
	s.Asking = slices.Clone(s.Asking)
	if i := slices.IndexFunc(s.Asking, func(r contract.Reclaim) bool { return r.Kind == notice.Kind }); i >= 0 {
		s.Asking[i].Deadline = Earlier(s.Asking[i].Deadline, notice.Deadline)
		return s
	}
	s.Asking = append(s.Asking, notice)
	slices.SortFunc(s.Asking, func(a, b contract.Reclaim) int { return cmp.Compare(rank(b.Kind), rank(a.Kind)) })
	return s
}

// Judge takes in EC2's word on the notice of a kind that is being asked about. What is less urgent than a notice that
// stands is asked about no more. Where all are refuted, the Node's mark is to come off.
func Judge(before *contract.ReclaimState, kind contract.ReclaimKind, word contract.ConfirmReclaimResult, now time.Time) *contract.ReclaimState {
	s := &contract.ReclaimState{}
	if before != nil {
		*s = *before
	}
	i := slices.IndexFunc(s.Asking, func(r contract.Reclaim) bool { return r.Kind == kind })
	if i < 0 {
		return s
	}
	notice := s.Asking[i]
	s.Asking = slices.Delete(slices.Clone(s.Asking), i, i+1)
	if word.Verdict != contract.ReclaimRefuted {
		return stand(s, notice, word, now)
	}
	if s.Stands() {
		return s
	}
	s.Reclaim, s.Verdict, s.Why, s.Decided = notice, word.Verdict, word.Why, now
	s.Unmark = len(s.Asking) == 0
	return s
}

// stand lets a notice count.
func stand(s *contract.ReclaimState, notice contract.Reclaim, word contract.ConfirmReclaimResult, now time.Time) *contract.ReclaimState {
	deadline := Earlier(notice.Deadline, word.Deadline)
	if s.Stands() {
		deadline = Earlier(deadline, s.Deadline)
	}
	s.Reclaim, s.Verdict, s.Why, s.Decided = notice, word.Verdict, word.Why, now
	s.Deadline, s.Unmark = deadline, false
	s.Asking = slices.DeleteFunc(slices.Clone(s.Asking), func(r contract.Reclaim) bool { return rank(r.Kind) <= rank(notice.Kind) })
	if len(s.Asking) == 0 {
		s.Asking = nil
	}
	return s
}

// ConfirmBy is when EC2's word on a notice has to be there: what it says until then may lag behind its own notice.
func ConfirmBy(r contract.Reclaim) time.Time { return r.Received.Add(ConfirmWithin) }
