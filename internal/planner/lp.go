package planner

// relaxation is the price of a demand if pods and machines may be cut at will:
//
//	least cost · x   so that   room x ≥ demand,   x ≥ 0
//
// usd is the optimum: no plan can be cheaper. The dual prices resources, as high as can be while no machine is worth more
// than it costs: worth is what a unit of each is worth. A resource that no machine has is worth nothing here; that nobody
// can hold its pods is for others to see.
//
// Solved is the dual by the simplex method in
// a condensed tableau: costs are not negative, so that worth nothing is a start, and there are as many columns as
// resources: a handful. Should it not end after many pivots, what it has is still a lower bound.
func relaxation(demand vec, room []vec, cost []float64) (worth []float64, usd float64) {
	worth = make([]float64, len(demand))
	const (
		epsilon = 1e-9
		pivots  = 500
	)
	var columns []int // resources in demand; each is scaled to a demand of 1
	for r, d := range demand {
		if d > 0 {
			columns = append(columns, r)
		}
	}
	rows, cols := len(room), len(columns)
	if rows == 0 || cols == 0 {
		return worth, 0
	}
	width := cols + 1
	t := make([]float64, (rows+1)*width)
	row := func(i int) []float64 { return t[i*width : (i+1)*width] }
	for i := range rows {
		a := row(i)
		for j, r := range columns {
			a[j] = float64(room[i][r]) / float64(demand[r])
		}
		a[cols] = cost[i]
	}
	objective := row(rows)
	for j := range columns {
		objective[j] = 1
	}
	basic := make([]int, rows) // resource whose worth is basic in the row, or -1 for the row's slack
	free := make([]int, cols)  // what is not basic, by column
	for i := range basic {
		basic[i] = -1
	}
	copy(free, columns)
	for range pivots {
		in := -1
		for j := range cols {
			if objective[j] > epsilon && (in < 0 || objective[j] > objective[in]) {
				in = j
			}
		}
		if in < 0 {
			break
		}
		out := -1
		best := 0.0
		for i := range rows {
			a := row(i)
			if a[in] > epsilon {
				if ratio := a[cols] / a[in]; out < 0 || ratio < best {
					out, best = i, ratio
				}
			}
		}
		if out < 0 {
			objective[in] = 0 // no machine has this resource
			continue
		}
		pivot(t, width, out, in)
		basic[out], free[in] = free[in], basic[out]
	}
	for i, r := range basic {
		if r >= 0 {
			worth[r] = row(i)[cols] / float64(demand[r])
		}
	}
	return worth, -objective[cols]
}

// pivot exchanges the row's variable with the column's.
func pivot(t []float64, width, out, in int) {
	p := t[out*width : (out+1)*width]
	by := p[in]
	for j := range p {
		p[j] /= by
	}
	p[in] = 1 / by
	for start := 0; start < len(t); start += width {
		a := t[start : start+width]
		f := a[in]
		if start == out*width || f == 0 {
			continue
		}
		for j := range a {
			a[j] -= f * p[j]
		}
		a[in] = -f / by
	}
}
