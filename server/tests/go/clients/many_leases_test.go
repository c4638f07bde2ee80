package clients

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3"
)

// A client renews all of its leases on one stream, in one burst, every third of their time.
func TestOneClientKeepsFiveThousandLeases(t *testing.T) {
	const (
		count     = 5_000
		ttl       = 10
		kept      = 30 * time.Second
		grantors  = 50
		renewals  = 3 // within 30 s, at the least, of a lease of 10 s
		freshness = ttl * time.Second
	)
	c, _ := connect(t)
	// Its own time: that of the other tests ends sooner.
	ctx, cancel := context.WithTimeout(context.Background(), kept+30*time.Second)
	defer cancel()

	type lease struct {
		id      clientv3.LeaseID
		answers <-chan *clientv3.LeaseKeepAliveResponse
	}
	leases := make([]lease, count)
	var granting sync.WaitGroup
	for g := range grantors {
		granting.Go(func() {
			for n := g; n < count; n += grantors {
				granted, err := c.Grant(ctx, ttl)
				if err != nil {
					t.Errorf("lease %d: %v", n, err)
					return
				}
				answers, err := c.KeepAlive(ctx, granted.ID)
				if err != nil {
					t.Errorf("lease %d: %v", n, err)
					return
				}
				leases[n] = lease{granted.ID, answers}
			}
		})
	}
	granting.Wait()
	if t.Failed() {
		return
	}

	end := time.Now().Add(kept)
	var watching sync.WaitGroup
	var lost sync.Map
	for _, l := range leases {
		watching.Go(func() {
			renewed, last := 0, time.Now()
			for time.Now().Before(end) {
				select {
				case answer, open := <-l.answers:
					if !open {
						lost.Store(l.id, "its channel was closed")
						return
					}
					if answer.TTL != ttl {
						lost.Store(l.id, "it was renewed for another time")
						return
					}
					renewed, last = renewed+1, time.Now()
				case <-time.After(time.Until(end)):
				}
			}
			if renewed < renewals || time.Since(last) > freshness {
				lost.Store(l.id, "it was not renewed in time")
			}
		})
	}
	watching.Wait()
	number := 0
	lost.Range(func(id, why any) bool {
		if number++; number <= 3 {
			t.Errorf("lease %x: %s", id, why)
		}
		return true
	})
	if number > 0 {
		t.Fatalf("%d of %d leases were lost", number, count)
	}
	all, err := c.Leases(ctx)
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[clientv3.LeaseID]bool)
	for _, l := range all.Leases {
		there[l.ID] = true
	}
	for _, l := range leases {
		if !there[l.id] {
			t.Fatalf("lease %x is gone", l.id)
		}
	}
}
