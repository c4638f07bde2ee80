package clients

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// session is a lease that is kept alive until the test ends or Orphan is called.
func session(t testing.TB, c *clientv3.Client, seconds int) *concurrency.Session {
	t.Helper()
	s, err := concurrency.NewSession(c, concurrency.WithTTL(seconds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestASessionEndsWithItsLease(t *testing.T) {
	c, ctx := connect(t)
	s := session(t, c, 60)
	if _, err := c.Revoke(ctx, s.Lease()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-ctx.Done():
		t.Fatal("the session does not notice that its lease is gone")
	}
}

func TestAMutexLetsOneInAtATime(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	const turns = 15
	put(ctx, t, c, p+"counter", "0")
	var contenders sync.WaitGroup
	for range 2 {
		mutex := concurrency.NewMutex(session(t, c, 60), p+"lock")
		contenders.Go(func() {
			for range turns {
				if err := addOneLocked(ctx, c, mutex, p+"counter"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	contenders.Wait()
	equal(t, "counter", fmt.Sprint(2*turns), values(ctx, t, c, p+"counter"))
}

// addOneLocked reads and writes back the naive way: only the mutex keeps turns from being lost.
func addOneLocked(ctx context.Context, c *clientv3.Client, mutex *concurrency.Mutex, key string) error {
	if err := mutex.Lock(ctx); err != nil {
		return err
	}
	r, err := c.Get(ctx, key)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(r.Kvs[0].Value))
	if err != nil {
		return err
	}
	owned, err := c.Txn(ctx).If(mutex.IsOwner()).Then(clientv3.OpPut(key, fmt.Sprint(n+1))).Commit()
	if err != nil {
		return err
	}
	if !owned.Succeeded {
		return errors.New("the holder does not own the mutex")
	}
	return mutex.Unlock(ctx)
}

func TestTryLockDoesNotWait(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	first, second := concurrency.NewMutex(session(t, c, 60), p), concurrency.NewMutex(session(t, c, 60), p)
	if err := first.TryLock(ctx); err != nil {
		t.Fatal(err)
	}
	if err := second.TryLock(ctx); !errors.Is(err, concurrency.ErrLocked) {
		t.Fatalf("want %v, got %v", concurrency.ErrLocked, err)
	}
	if err := first.Unlock(ctx); err != nil {
		t.Fatal(err)
	}
	if err := second.TryLock(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestADeadHolderLetsGoWhenItsLeaseEnds(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	dying := session(t, c, 2)
	if err := concurrency.NewMutex(dying, p).Lock(ctx); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	dying.Orphan()
	if err := concurrency.NewMutex(session(t, c, 60), p).Lock(ctx); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(begin); waited < time.Second {
		t.Errorf("the lock was free after %v, before the lease could end", waited)
	}
}

func TestAnElectionIsObservedResignedAndResumed(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	alice := concurrency.NewElection(session(t, c, 60), p)
	bob := concurrency.NewElection(session(t, c, 60), p)
	observed := concurrency.NewElection(session(t, c, 60), p).Observe(ctx)
	leads := func(want string) {
		t.Helper()
		for {
			r, open := <-observed
			if !open {
				t.Fatalf("observation ended before %s led", want)
			}
			if string(r.Kvs[0].Value) == want {
				return
			}
		}
	}
	if err := alice.Campaign(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	leads("alice")
	if err := alice.Proclaim(ctx, "alice again"); err != nil {
		t.Fatal(err)
	}
	leads("alice again")
	elected := make(chan error, 1)
	go func() { elected <- bob.Campaign(ctx, "bob") }()
	r, err := bob.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "leader", "alice again", string(r.Kvs[0].Value))
	resumed := concurrency.ResumeElection(session(t, c, 60), p, alice.Key(), alice.Rev())
	if err := resumed.Proclaim(ctx, "alice resumed"); err != nil {
		t.Fatal(err)
	}
	leads("alice resumed")
	if err := resumed.Resign(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-elected; err != nil {
		t.Fatal(err)
	}
	leads("bob")
	if err := bob.Resign(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Leader(ctx); !errors.Is(err, concurrency.ErrElectionNoLeader) {
		t.Fatalf("want %v, got %v", concurrency.ErrElectionNoLeader, err)
	}
}

func TestAnElectionFailsOverWhenTheLeaderDies(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	dying := session(t, c, 2)
	alice := concurrency.NewElection(dying, p)
	if err := alice.Campaign(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	dying.Orphan()
	bob := concurrency.NewElection(session(t, c, 60), p)
	if err := bob.Campaign(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	if bob.Rev() <= alice.Rev() {
		t.Errorf("bob leads since %d, alice since %d", bob.Rev(), alice.Rev())
	}
	if err := alice.Proclaim(ctx, "still here"); err == nil {
		t.Error("a leader that lost its lease may still proclaim")
	}
}

func TestTransfersNeitherMakeNorLoseMoney(t *testing.T) {
	for _, row := range []struct {
		name  string
		level concurrency.Isolation
	}{
		{"SerializableSnapshot", concurrency.SerializableSnapshot},
		{"Serializable", concurrency.Serializable},
		{"RepeatableReads", concurrency.RepeatableReads},
		{"ReadCommitted", concurrency.ReadCommitted},
	} {
		t.Run(row.name, func(t *testing.T) {
			// The two weaker levels read whatever the member has: one that answered a write has that write.
			c, ctx := dial(t, endpoints(t)[:1])
			p := prefix(t)
			const accounts, start = 4, 100
			for n := range accounts {
				put(ctx, t, c, fmt.Sprint(p, n), fmt.Sprint(start))
			}
			// Read committed does not notice that what was read has changed: one at a time, or money is lost.
			workers := 4
			if row.level == concurrency.ReadCommitted {
				workers = 1
			}
			var all sync.WaitGroup
			for worker := range workers {
				all.Go(func() {
					for i := range 10 {
						from, to := fmt.Sprint(p, (worker+i)%accounts), fmt.Sprint(p, (worker+i+1)%accounts)
						transfer := func(stm concurrency.STM) error { return move(stm, from, to, i) }
						_, err := concurrency.NewSTM(c, transfer, concurrency.WithIsolation(row.level),
							concurrency.WithAbortContext(ctx), concurrency.WithPrefetch(from, to))
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			r, err := c.Get(ctx, p, clientv3.WithPrefix())
			if err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, kv := range r.Kvs {
				n, err := strconv.Atoi(string(kv.Value))
				if err != nil {
					t.Fatal(err)
				}
				sum += n
			}
			equal(t, "sum", accounts*start, sum)
		})
	}
}

func move(stm concurrency.STM, from, to string, amount int) error {
	have, err := strconv.Atoi(stm.Get(from))
	if err != nil {
		return err
	}
	other, err := strconv.Atoi(stm.Get(to))
	if err != nil {
		return err
	}
	stm.Put(from, fmt.Sprint(have-amount))
	stm.Put(to, fmt.Sprint(other+amount))
	return nil
}
