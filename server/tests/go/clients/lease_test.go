package clients

import (
	"errors"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/v3"
)

func TestALeaseThatNobodyRenewsTakesItsKeysAlong(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	events := c.Watch(ctx, p, clientv3.WithPrefix())
	asked := time.Now()
	lease, err := c.Grant(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	put(ctx, t, c, p+"a", "", clientv3.WithLease(lease.ID))
	put(ctx, t, c, p+"b", "", clientv3.WithLease(lease.ID))
	put(ctx, t, c, p+"c", "", clientv3.WithLease(lease.ID))
	put(ctx, t, c, p+"c", "detached by a put without the lease")
	var deleted []*clientv3.Event
	for len(deleted) < 2 {
		answer, open := <-events
		if !open || answer.Err() != nil {
			t.Fatalf("the watch ended: %v", answer.Err())
		}
		for _, e := range answer.Events {
			if e.Type == clientv3.EventTypeDelete {
				deleted = append(deleted, e)
			}
		}
	}
	if early := time.Since(asked); early < 2*time.Second {
		t.Errorf("a lease of 2 s ended after %v", early)
	}
	equal(t, "both go at one revision", deleted[0].Kv.ModRevision, deleted[1].Kv.ModRevision)
	equal(t, "what stays", "detached by a put without the lease", values(ctx, t, c, p))
}

func TestKeepAliveKeepsALeaseBeyondItsTime(t *testing.T) {
	c, ctx := connect(t)
	lease, err := c.Grant(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	key := prefix(t) + "k"
	put(ctx, t, c, key, "alive", clientv3.WithLease(lease.ID))
	answers, err := c.KeepAlive(ctx, lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < 5*time.Second; {
		answer, open := <-answers
		if !open {
			t.Fatal("the lease ended although it is renewed")
		}
		equal(t, "renewed for", int64(2), answer.TTL)
	}
	equal(t, "value", "alive", values(ctx, t, c, key))
	if _, err := c.Revoke(ctx, lease.ID); err != nil {
		t.Fatal(err)
	}
	for range answers {
		// The channel closes when the client is told that the lease is gone.
	}
	equal(t, "value after the revocation", "", values(ctx, t, c, key))
}

func TestLeasesTellTheirTimeAndKeys(t *testing.T) {
	c, ctx := connect(t)
	key := prefix(t) + "k"
	lease, err := c.Grant(ctx, 600)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "granted", int64(600), lease.TTL)
	put(ctx, t, c, key, "", clientv3.WithLease(lease.ID))
	told, err := c.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
	if err != nil {
		t.Fatal(err)
	}
	if told.GrantedTTL != 600 || told.TTL < 590 || told.TTL > 600 || len(told.Keys) != 1 || string(told.Keys[0]) != key {
		t.Errorf("time to live: %+v", told)
	}
	all, err := c.Leases(ctx)
	if err != nil {
		t.Fatal(err)
	}
	listed := false
	for _, l := range all.Leases {
		listed = listed || l.ID == lease.ID
	}
	equal(t, "the list has it", true, listed)
	once, err := c.KeepAliveOnce(ctx, lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "renewed for", int64(600), once.TTL)
	before := put(ctx, t, c, key+"2", "", clientv3.WithLease(lease.ID))
	revoked, err := c.Revoke(ctx, lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "a revocation is one revision", before+1, revoked.Header.Revision)
	gone, err := c.TimeToLive(ctx, lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "time of a gone lease", int64(-1), gone.TTL)
	if _, err := c.KeepAliveOnce(ctx, lease.ID); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		t.Errorf("renewal of a gone lease: %v", err)
	}
}

func TestATTLBelowTheMinimumIsRaised(t *testing.T) {
	c, ctx := connect(t)
	lease, err := c.Grant(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if lease.TTL < 2 {
		t.Errorf("granted %d s; with etcd's default election timeout the least is 2 s", lease.TTL)
	}
}
