package clients

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// lease is not kept alive: it outlives any test.
func lease(ctx context.Context, t testing.TB, c *clientv3.Client) int64 {
	t.Helper()
	granted, err := c.Grant(ctx, 600)
	if err != nil {
		t.Fatal(err)
	}
	return int64(granted.ID)
}

// queued waits until so many hold a name or wait for it.
func queued(ctx context.Context, t testing.TB, c *clientv3.Client, name string, count int64) {
	t.Helper()
	within(ctx, t, fmt.Sprintf("%d keys at %s", count, name), func() error {
		for {
			r, err := c.Get(ctx, name+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
			if err != nil || r.Count == count {
				return err
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// refusal is a status as text.
func refusal(err error) string {
	refused := status.Convert(err)
	return fmt.Sprint(refused.Code(), ": ", refused.Message())
}

func TestTheLockServiceLetsOneInAtATime(t *testing.T) {
	c, ctx := connect(t)
	service, name := v3lockpb.NewLockClient(c.ActiveConnection()), prefix(t)+"lock"
	lock := func(ctx context.Context, lease int64) (string, error) {
		r, err := service.Lock(ctx, &v3lockpb.LockRequest{Name: []byte(name), Lease: lease})
		return string(r.GetKey()), err
	}
	first, second := lease(ctx, t, c), lease(ctx, t, c)
	held, err := lock(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "key", fmt.Sprintf("%s/%x", name, first), held)

	// Whoever gives up is not waited for.
	short, cancel := context.WithCancel(ctx)
	gone := make(chan error, 1)
	go func() {
		_, err := lock(short, lease(ctx, t, c))
		gone <- err
	}()
	queued(ctx, t, c, name, 2)
	cancel()
	equal(t, "who cancels", codes.Canceled, status.Code(<-gone))
	queued(ctx, t, c, name, 1)

	// A client that runs the recipe itself queues with those for whom a member does.
	own := session(t, c, 60)
	mutex, mutexed := concurrency.NewMutex(own, name), make(chan error, 1)
	go func() { mutexed <- mutex.Lock(ctx) }()
	queued(ctx, t, c, name, 2)
	next := make(chan string, 1)
	go func() {
		key, err := lock(ctx, second)
		next <- fmt.Sprint(key, err)
	}()
	queued(ctx, t, c, name, 3)
	if _, err := service.Unlock(ctx, &v3lockpb.UnlockRequest{Key: []byte(held)}); err != nil {
		t.Fatal(err)
	}
	if err := <-mutexed; err != nil {
		t.Fatal(err)
	}
	select {
	case key := <-next:
		t.Fatalf("%s is let in beside the mutex", key)
	default:
	}
	if err := mutex.Unlock(ctx); err != nil {
		t.Fatal(err)
	}
	equal(t, "the next one's key", fmt.Sprintf("%s/%x<nil>", name, second), <-next)

	_, err = lock(ctx, 404)
	equal(t, "an unknown lease", "Unknown: etcdserver: requested lease not found", refusal(err))
	if _, err := service.Unlock(ctx, &v3lockpb.UnlockRequest{Key: []byte(held)}); err != nil {
		t.Fatal(err)
	}
}

func TestALockIsNotGivenToAnExpiredLease(t *testing.T) {
	c, ctx := connect(t)
	service, name := v3lockpb.NewLockClient(c.ActiveConnection()), prefix(t)+"lock"
	held, err := service.Lock(ctx, &v3lockpb.LockRequest{Name: []byte(name), Lease: lease(ctx, t, c)})
	if err != nil {
		t.Fatal(err)
	}
	gone := lease(ctx, t, c)
	waited := make(chan error, 1)
	go func() {
		_, err := service.Lock(ctx, &v3lockpb.LockRequest{Name: []byte(name), Lease: gone})
		waited <- err
	}()
	queued(ctx, t, c, name, 2)
	if _, err := c.Revoke(ctx, clientv3.LeaseID(gone)); err != nil {
		t.Fatal(err)
	}
	if _, err := service.Unlock(ctx, &v3lockpb.UnlockRequest{Key: held.Key}); err != nil {
		t.Fatal(err)
	}
	equal(t, "who waited", "Unknown: mutex: session is expired", refusal(<-waited))
}

func TestTheElectionServiceHasOneLeaderAtATime(t *testing.T) {
	c, ctx := connect(t)
	service, name := v3electionpb.NewElectionClient(c.ActiveConnection()), prefix(t)+"who"
	named := &v3electionpb.LeaderRequest{Name: []byte(name)}
	_, err := service.Leader(ctx, named)
	equal(t, "before anybody leads", "Unknown: election: no leader", refusal(err))
	observed, err := service.Observe(ctx, named)
	if err != nil {
		t.Fatal(err)
	}
	told := func(want string) {
		t.Helper()
		r, err := observed.Recv()
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "value that is told", want, string(r.Kv.Value))
	}
	campaign := func(lease int64, value string) (*v3electionpb.LeaderKey, error) {
		r, err := service.Campaign(ctx, &v3electionpb.CampaignRequest{Name: []byte(name), Lease: lease, Value: []byte(value)})
		return r.GetLeader(), err
	}
	proclaim := func(leader *v3electionpb.LeaderKey, value string) error {
		_, err := service.Proclaim(ctx, &v3electionpb.ProclaimRequest{Leader: leader, Value: []byte(value)})
		return err
	}
	first, err := campaign(lease(ctx, t, c), "a1")
	if err != nil {
		t.Fatal(err)
	}
	told("a1")
	second := make(chan *v3electionpb.LeaderKey, 1)
	go func() {
		leader, err := campaign(lease(ctx, t, c), "b1")
		if err != nil {
			t.Error(err)
		}
		second <- leader
	}()
	queued(ctx, t, c, name, 2)
	if err := proclaim(first, "a2"); err != nil {
		t.Fatal(err)
	}
	told("a2")
	election := concurrency.NewElection(session(t, c, 60), name)
	seen, err := election.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "who leads, to the package", string(first.Key), string(seen.Kvs[0].Key))
	if _, err := service.Resign(ctx, &v3electionpb.ResignRequest{Leader: first}); err != nil {
		t.Fatal(err)
	}
	leads := <-second
	told("b1")
	equal(t, "who resigned and proclaims", "Unknown: election: not leader", refusal(proclaim(first, "a3")))
	equal(t, "nobody proclaims", "Unknown: \"leader\" field must be provided", refusal(proclaim(nil, "a4")))
	if err := proclaim(leads, "b2"); err != nil {
		t.Fatal(err)
	}
	told("b2")
}
