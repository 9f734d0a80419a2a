package kube

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"
	corev1 "k8s.io/api/core/v1"

	"floe.dev/floe/internal/catalog"
	"floe.dev/floe/internal/planner"
)

// poolTimeout bounds what AWS may take to answer for one pool. The others are planned without it; its own pods wait
// for the next plan.
const poolTimeout = 5 * time.Second

// planned is a pool and what of its account it is planned with.
type planned struct {
	planner.Pool
	view   *catalog.View // nil where it could not be had
	region string
}

// poolsToPlan gathers what may be bought for each pool, all pools at once. Whatever is wrong with one is its Problem.
func (a *Activities) poolsToPlan(ctx context.Context, c *Cluster) []planned {
	pools := c.allPools()
	out := make([]planned, len(pools))
	var wg sync.WaitGroup
	for i, pool := range pools {
		wg.Go(func() { out[i] = a.poolToPlan(ctx, c, pool) })
	}
	wg.Wait()
	return out
}

func (a *Activities) poolToPlan(ctx context.Context, c *Cluster, pool *Pool) planned {
	ctx, cancel := context.WithTimeout(ctx, poolTimeout)
	defer cancel()
	p := planned{Pool: planner.Pool{NodePool: pool.NodePool, Problem: pool.Problem, Used: corev1.ResourceList{}}}
	account := c.accountOf(pool.NodePool)
	view, err := a.cloud.View(ctx, account)
	if err != nil {
		p.setProblem(words(err))
		return p
	}
	p.view, p.region, p.BackOff, p.Reclaims = view, view.Region, view.BackOff, view.Reclaims
	if p.Problem != "" {
		return p
	}
	if _, err := a.cloud.Template(ctx, account, pool.Spec.LaunchTemplate); err != nil {
		p.setProblem(words(err))
		return p
	}
	p.Candidates, p.Rejected, p.Problem = a.candidates.of(c.name, pool, view)
	a.addNodeless(ctx, c, &p)
	return p
}

// setProblem keeps the first problem: what is wrong with the pool itself comes before what AWS says of it.
func (p *planned) setProblem(problem string) {
	if p.Problem == "" {
		p.Problem = problem
	}
}

// words is an error as a person wants to read it, without the wrapping that Temporal adds.
func words(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Message()
	}
	return err.Error()
}
