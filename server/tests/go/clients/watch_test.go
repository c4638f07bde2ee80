package clients

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/v3"
)

// next waits for an answer that is no error.
func next(t testing.TB, answers clientv3.WatchChan) clientv3.WatchResponse {
	t.Helper()
	answer, open := <-answers
	if !open {
		t.Fatal("the watch ended")
	}
	if err := answer.Err(); err != nil {
		t.Fatal(err)
	}
	return answer
}

// take reads n events as "+key=value" and "-key".
func take(t testing.TB, answers clientv3.WatchChan, prefix string, n int) string {
	t.Helper()
	var out []string
	for len(out) < n {
		for _, e := range next(t, answers).Events {
			key := strings.TrimPrefix(string(e.Kv.Key), prefix)
			if e.Type == clientv3.EventTypeDelete {
				out = append(out, "-"+key)
			} else {
				out = append(out, "+"+key+"="+string(e.Kv.Value))
			}
		}
	}
	return strings.Join(out, " ")
}

func TestAWatchSaysItIsCreatedThenTellsTheFuture(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	answers := c.Watch(ctx, p, clientv3.WithPrefix(), clientv3.WithCreatedNotify(), clientv3.WithPrevKV())
	equal(t, "created", true, next(t, answers).Created)
	put(ctx, t, c, p+"a", "1")
	first := next(t, answers).Events[0]
	equal(t, "the first put creates", true, first.IsCreate() && first.PrevKv == nil)
	put(ctx, t, c, p+"a", "2")
	second := next(t, answers).Events[0]
	equal(t, "the second put changes", true, second.IsModify())
	equal(t, "prev_kv", "1", string(second.PrevKv.Value))
	if _, err := c.Delete(ctx, p+"a"); err != nil {
		t.Fatal(err)
	}
	deleted := next(t, answers).Events[0]
	equal(t, "what was deleted", "2", string(deleted.PrevKv.Value))
	equal(t, "value of a deletion", 0, len(deleted.Kv.Value))
}

func TestAWatchFromThePastRunsIntoThePresentWithoutAGap(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	start := put(ctx, t, c, p+"k", "0")
	for i := 1; i < 100; i++ {
		put(ctx, t, c, p+"k", fmt.Sprint(i))
	}
	answers := c.Watch(ctx, p, clientv3.WithPrefix(), clientv3.WithRev(start))
	for i := 100; i < 200; i++ {
		put(ctx, t, c, p+"k", fmt.Sprint(i))
	}
	seen, last := 0, int64(0)
	for seen < 200 {
		for _, e := range next(t, answers).Events {
			equal(t, "value", fmt.Sprint(seen), string(e.Kv.Value))
			if e.Kv.ModRevision <= last {
				t.Fatalf("revision %d after %d", e.Kv.ModRevision, last)
			}
			seen, last = seen+1, e.Kv.ModRevision
		}
	}
}

func TestEventsOfOneTxnComeInOneAnswer(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	before := put(ctx, t, c, p+"gone", "")
	// "From now" is the now of whichever member the watch reaches, and a follower may not have applied the put yet.
	answers := c.Watch(ctx, p, clientv3.WithPrefix(), clientv3.WithCreatedNotify(), clientv3.WithRev(before+1))
	next(t, answers)
	ops := []clientv3.Op{clientv3.OpPut(p+"b", "1"), clientv3.OpPut(p+"a", "2"), clientv3.OpDelete(p + "gone")}
	if _, err := c.Txn(ctx).Then(ops...).Commit(); err != nil {
		t.Fatal(err)
	}
	answer := next(t, answers)
	equal(t, "events", 3, len(answer.Events))
	for i, key := range []string{"b", "a", "gone"} {
		equal(t, "key in the order of the txn", p+key, string(answer.Events[i].Kv.Key))
		equal(t, "revision", answer.Header.Revision, answer.Events[i].Kv.ModRevision)
	}
}

func TestFiltersLeaveOut(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	start := put(ctx, t, c, p+"k", "1")
	if _, err := c.Delete(ctx, p+"k"); err != nil {
		t.Fatal(err)
	}
	put(ctx, t, c, p+"end", "")
	if _, err := c.Delete(ctx, p+"end"); err != nil {
		t.Fatal(err)
	}
	from := clientv3.WithRev(start)
	equal(t, "no deletes", "+k=1 +end=", take(t, c.Watch(ctx, p, clientv3.WithPrefix(), from, clientv3.WithFilterDelete()), p, 2))
	equal(t, "no puts", "-k -end", take(t, c.Watch(ctx, p, clientv3.WithPrefix(), from, clientv3.WithFilterPut()), p, 2))
}

func TestAWatchFromWhatIsForgottenEndsAndSaysWhereToBegin(t *testing.T) {
	// One member: the others hear of the compaction after it is answered, and until then they still have what is gone.
	c, ctx := dial(t, endpoints(t)[:1])
	key := prefix(t) + "k"
	old := put(ctx, t, c, key, "1")
	now := put(ctx, t, c, key, "2")
	if _, err := c.Compact(ctx, now); err != nil {
		t.Fatal(err)
	}
	answer := <-c.Watch(ctx, key, clientv3.WithRev(old))
	if !errors.Is(answer.Err(), rpctypes.ErrCompacted) || answer.CompactRevision != now {
		t.Fatalf("error %v, compact revision %d, want %d", answer.Err(), answer.CompactRevision, now)
	}
	from := c.Watch(ctx, key, clientv3.WithRev(answer.CompactRevision))
	put(ctx, t, c, key, "3")
	equal(t, "events from there on", "+k=2 +k=3", take(t, from, strings.TrimSuffix(key, "k"), 2))
}

func TestRequestedProgressTellsHowFarAllWatchesHaveCome(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	answers := c.Watch(ctx, p, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	next(t, answers)
	revision := put(ctx, t, c, strings.TrimSuffix(p, "/")+".elsewhere", "")
	// A request is ignored while a watch of the stream is behind: ask again, as the client's documentation says.
	ask := time.NewTicker(200 * time.Millisecond)
	defer ask.Stop()
	for {
		select {
		case <-ask.C:
			if err := c.RequestProgress(ctx); err != nil {
				t.Fatal(err)
			}
		case answer := <-answers:
			if answer.Err() != nil || !answer.IsProgressNotify() {
				t.Fatalf("not a progress answer: %+v", answer)
			}
			if answer.Header.Revision >= revision {
				return
			}
		case <-ctx.Done():
			t.Fatal("no progress answer")
		}
	}
}

func TestALargeAnswerComesInFragmentsThatTheClientJoins(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	big := strings.Repeat("x", 1_000_000)
	start := put(ctx, t, c, p+"0", big)
	for i := 1; i < 5; i++ {
		put(ctx, t, c, fmt.Sprint(p, i), big)
	}
	joined := c.Watch(ctx, p, clientv3.WithPrefix(), clientv3.WithRev(start), clientv3.WithFragment())
	equal(t, "events", 5, strings.Count(take(t, joined, p, 5), "+"))

	stream, err := etcdserverpb.NewWatchClient(c.ActiveConnection()).Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	create := &etcdserverpb.WatchCreateRequest{
		Key: []byte(p), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(p)), StartRevision: start, Fragment: true,
	}
	request := &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: create}
	if err := stream.Send(&etcdserverpb.WatchRequest{RequestUnion: request}); err != nil {
		t.Fatal(err)
	}
	for events, answers := 0, 0; events < 5; answers++ {
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		events += len(answer.Events)
		size := 0
		for _, e := range answer.Events {
			size += len(e.Kv.Value)
		}
		if size > 2_000_000 {
			t.Errorf("answer %d carries %d bytes", answers, size)
		}
	}
}

func TestManyWatchersEachSeeEverything(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	const watchers, changes = 500, 20
	failures := make(chan error, watchers)
	for n := range watchers {
		answers := c.Watch(ctx, p+"k", clientv3.WithCreatedNotify())
		next(t, answers)
		go func() {
			seen := 0
			for answer := range answers {
				for _, e := range answer.Events {
					if string(e.Kv.Value) != fmt.Sprint(seen) {
						failures <- fmt.Errorf("watcher %d: want %d, got %s", n, seen, e.Kv.Value)
						return
					}
					if seen++; seen == changes {
						failures <- nil
						return
					}
				}
			}
			failures <- fmt.Errorf("watcher %d ended after %d", n, seen)
		}()
	}
	for i := range changes {
		put(ctx, t, c, p+"k", fmt.Sprint(i))
	}
	for range watchers {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

func TestACancelledWatchEndsAndTheOthersGoOn(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	cancelled, cancel := context.WithCancel(ctx)
	ends := c.Watch(cancelled, p, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	stays := c.Watch(ctx, p, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	next(t, ends)
	next(t, stays)
	cancel()
	for range ends {
		// Closes without an event.
	}
	put(ctx, t, c, p+"k", "v")
	equal(t, "the other watch", "+k=v", take(t, stays, p, 1))
}

func TestRequireLeaderChangesNothingWhileThereIsOne(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	ctx = clientv3.WithRequireLeader(ctx)
	answers := c.Watch(ctx, p, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	next(t, answers)
	put(ctx, t, c, p+"k", "v")
	equal(t, "event", "+k=v", take(t, answers, p, 1))
	equal(t, "value", "v", values(ctx, t, c, p))
}

func TestAnEmptyRangeIsNotWatched(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	answer := <-c.Watch(ctx, p+"b", clientv3.WithRange(p+"a"))
	if answer.Err() == nil || !answer.Canceled {
		t.Fatalf("a watch of an empty range was accepted: %+v", answer)
	}
}
