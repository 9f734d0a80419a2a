package evaluate

import "time"

// oracle knows the recordings. It is never refused, takes the offering that lasts longest, and returns to spot the moment
// that pays for the boot. It launches when a machine is missing and no earlier, as the others do.
type oracle struct{}

func (o oracle) act(w *world) time.Duration {
	for range w.missing() {
		if i, ok := o.longest(w); ok {
			w.fleet([]int{i}, 1, 0)
			continue
		}
		if places := w.of(false, func(i int) bool { return w.offerings[i].spare() > 0 }); len(places) > 0 {
			w.fleet(places, 1, 0)
		}
	}
	for _, old := range w.returnable() {
		i, ok := o.longest(w)
		if !ok {
			break
		}
		got, _ := w.fleet([]int{i}, 1, 0)
		replace(got, []*machine{old})
	}
	return never
}

// longest is the spot offering whose next machine lasts longest, if it lasts long enough to be cheaper than to stay
// on-demand: both are paid while it boots.
func (oracle) longest(w *world) (best int, ok bool) {
	until := w.now
	for i, o := range w.offerings {
		if !o.spot() || o.spare() == 0 {
			continue
		}
		if keeps := o.keeps(o.held+1, w.now); keeps > until {
			best, until = i, keeps
		}
	}
	lasts, boot := until-w.now, w.Boot+w.Call
	return best, lasts > boot && lasts.Hours()*(1-w.SpotDiscount)+boot.Hours() < lasts.Hours()
}
