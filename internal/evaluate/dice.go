package evaluate

// dice are random numbers that are the same for the same seed: splitmix64 (Steele, Lea and Flood, "Fast splittable
// pseudorandom number generators", OOPSLA 2014).
type dice uint64

func (d *dice) roll() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// shuffled puts a list into random order, in place.
func shuffled[T any](d *dice, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := d.roll() % uint64(i+1)
		list[i], list[j] = list[j], list[i]
	}
}
