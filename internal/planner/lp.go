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
	var columns []int // resources in demand; each is scaled to a demand of 1
	for r, d := range demand {
		if d > 0 {
			columns = append(columns, r)
		}
	}
	t := newTableau(len(room), len(columns))
	for i := range room {
		a := t.row(i)
		for j, r := range columns {
			a[j] = float64(room[i][r]) / float64(demand[r])
		}
		a[t.cols] = cost[i]
	}
	for j := range columns {
		t.objective()[j] = 1
	}
	t.maximize()
	for i, j := range t.basic {
		if j >= 0 {
			r := columns[j]
			worth[r] = t.row(i)[t.cols] / float64(demand[r])
		}
	}
	return worth, -t.objective()[t.cols]
}

// scarcity is what a unit of each resource of a machine is worth at least, if nothing is to be worth more than what it
// asks for:
//
//	least scarce · room   so that   scarce · request ≥ worth for each item,   scarce ≥ 0
//
// No pods that the machine has room for together are worth more than that. It is the dual of the machine's best filling
// if pods may be cut at will.
func scarcity(worth []float64, items []*item, room vec) []float64 {
	t := newTableau(len(room), len(items))
	for r := range room {
		a := t.row(r)
		if room[r] > 0 {
			for j, it := range items {
				a[j] = float64(it.class.req[r]) / float64(room[r])
			}
		}
		a[t.cols] = 1
	}
	copy(t.objective(), worth)
	t.maximize()
	scarce := make([]float64, len(room))
	for j, v := range t.free {
		if r := ^v; v < 0 && room[r] > 0 {
			scarce[r] = max(0, -t.objective()[j]) / float64(room[r])
		}
	}
	return scarce
}

// tableau is a linear program in condensed form: a row for each bound, the last column what bounds, the last row what is
// to be as large as can be. Variables are numbered by column; the slack of row i is ^i.
type tableau struct {
	cells      []float64
	rows, cols int
	basic      []int // variable of each row
	free       []int // variable of each column
}

func newTableau(rows, cols int) *tableau {
	t := &tableau{cells: make([]float64, (rows+1)*(cols+1)), rows: rows, cols: cols, basic: make([]int, rows), free: make([]int, cols)}
	for i := range t.basic {
		t.basic[i] = ^i
	}
	for j := range t.free {
		t.free[j] = j
	}
	return t
}

func (t *tableau) row(i int) []float64 { return t.cells[i*(t.cols+1) : (i+1)*(t.cols+1)] }

func (t *tableau) objective() []float64 { return t.row(t.rows) }

// maximize by the simplex method, from nothing of any variable. Should it not end after many pivots, what it has is
// within the bounds.
func (t *tableau) maximize() {
	const (
		epsilon = 1e-9
		pivots  = 500
	)
	objective := t.objective()
	for range pivots {
		in := -1
		for j := range t.cols {
			if objective[j] > epsilon && (in < 0 || objective[j] > objective[in]) {
				in = j
			}
		}
		if in < 0 {
			return
		}
		out := -1
		best := 0.0
		for i := range t.rows {
			a := t.row(i)
			if a[in] > epsilon {
				if ratio := a[t.cols] / a[in]; out < 0 || ratio < best {
					out, best = i, ratio
				}
			}
		}
		if out < 0 {
			objective[in] = 0 // nothing bounds it: no machine has this resource
			continue
		}
		t.pivot(out, in)
	}
}

// pivot exchanges the row's variable with the column's.
func (t *tableau) pivot(out, in int) {
	p := t.row(out)
	by := p[in]
	for j := range p {
		p[j] /= by
	}
	p[in] = 1 / by
	for i := range t.rows + 1 {
		a := t.row(i)
		f := a[in]
		if i == out || f == 0 {
			continue
		}
		for j := range a {
			a[j] -= f * p[j]
		}
		a[in] = -f / by
	}
	t.basic[out], t.free[in] = t.free[in], t.basic[out]
}
