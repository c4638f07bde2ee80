package clients

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/leasing"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/ordering"
)

func TestPutGetDeleteCountTheirRevisions(t *testing.T) {
	c, ctx := connect(t)
	key := prefix(t) + "k"
	first := put(ctx, t, c, key, "one")
	second := put(ctx, t, c, key, "two")
	equal(t, "revision of the second put", first+1, second)

	got, err := c.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	kv := got.Kvs[0]
	equal(t, "key", fmt.Sprint("two", first, second, 2, 0), fmt.Sprint(string(kv.Value), kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease))

	old, err := c.Get(ctx, key, clientv3.WithRev(first))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "value in the past", "one", string(old.Kvs[0].Value))
	equal(t, "the header tells the present", second, old.Header.Revision)

	replaced, err := c.Put(ctx, key, "three", clientv3.WithPrevKV())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "prev_kv of a put", "two", string(replaced.PrevKv.Value))

	deleted, err := c.Delete(ctx, key, clientv3.WithPrevKV())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "deleted", int64(1), deleted.Deleted)
	equal(t, "prev_kv of a delete", "three", string(deleted.PrevKvs[0].Value))
	nothing, err := c.Delete(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "a delete of nothing makes no revision", deleted.Header.Revision, nothing.Header.Revision)
	put(ctx, t, c, key, "again")
	got, err = c.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "version of the new generation", int64(1), got.Kvs[0].Version)
}

func TestRangesSortFilterAndCut(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	put(ctx, t, c, p+"a", "3")
	put(ctx, t, c, p+"b", "1")
	middle := put(ctx, t, c, p+"c", "2")
	put(ctx, t, c, p+"a", "5")
	put(ctx, t, c, p+"d", "4")

	all := clientv3.WithPrefix()
	sorted := func(by clientv3.SortTarget, order clientv3.SortOrder) clientv3.OpOption {
		return clientv3.WithSort(by, order)
	}
	for _, row := range []struct {
		name  string
		opts  []clientv3.OpOption
		want  string
		count int64
		more  bool
	}{
		{"by key", []clientv3.OpOption{all}, "a=5 b=1 c=2 d=4", 4, false},
		{"by key, down", []clientv3.OpOption{all, sorted(clientv3.SortByKey, clientv3.SortDescend)}, "d=4 c=2 b=1 a=5", 4, false},
		{"by value", []clientv3.OpOption{all, sorted(clientv3.SortByValue, clientv3.SortAscend)}, "b=1 c=2 d=4 a=5", 4, false},
		{"by version, down, cut", []clientv3.OpOption{all, sorted(clientv3.SortByVersion, clientv3.SortDescend), clientv3.WithLimit(1)}, "a=5", 4, true},
		{"by creation", []clientv3.OpOption{all, sorted(clientv3.SortByCreateRevision, clientv3.SortAscend)}, "a=5 b=1 c=2 d=4", 4, false},
		{"by change, down", []clientv3.OpOption{all, sorted(clientv3.SortByModRevision, clientv3.SortDescend)}, "d=4 a=5 c=2 b=1", 4, false},
		{"cut", []clientv3.OpOption{all, clientv3.WithLimit(3)}, "a=5 b=1 c=2", 4, true},
		{"cut at its size", []clientv3.OpOption{all, clientv3.WithLimit(4)}, "a=5 b=1 c=2 d=4", 4, false},
		{"keys only", []clientv3.OpOption{all, clientv3.WithKeysOnly()}, "a= b= c= d=", 4, false},
		{"count only", []clientv3.OpOption{all, clientv3.WithCountOnly()}, "", 4, false},
		{"in the past", []clientv3.OpOption{all, clientv3.WithRev(middle)}, "a=3 b=1 c=2", 3, false},
		{"changed since", []clientv3.OpOption{all, clientv3.WithMinModRev(middle)}, "a=5 c=2 d=4", 4, false},
		{"changed until", []clientv3.OpOption{all, clientv3.WithMaxModRev(middle)}, "b=1 c=2", 4, false},
		{"created until", []clientv3.OpOption{all, clientv3.WithMaxCreateRev(middle)}, "a=5 b=1 c=2", 4, false},
		{"serializable", []clientv3.OpOption{all, clientv3.WithRev(middle), clientv3.WithSerializable()}, "a=3 b=1 c=2", 3, false},
		{"a range leaves its end out", []clientv3.OpOption{clientv3.WithRange(p + "c")}, "a=5 b=1", 2, false},
	} {
		key := p
		if row.name == "a range leaves its end out" {
			key = p + "a"
		}
		r, err := c.Get(ctx, key, row.opts...)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		var got []string
		for _, kv := range r.Kvs {
			got = append(got, strings.TrimPrefix(string(kv.Key), p)+"="+string(kv.Value))
		}
		if s := strings.Join(got, " "); s != row.want || r.Count != row.count || r.More != row.more {
			t.Errorf("%s: want %q count %d more %v, got %q count %d more %v", row.name, row.want, row.count, row.more, s, r.Count, r.More)
		}
	}
	from, err := c.Get(ctx, p+"c", clientv3.WithFromKey(), clientv3.WithLimit(2))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "from a key on", p+"c "+p+"d", string(from.Kvs[0].Key)+" "+string(from.Kvs[1].Key))
}

func TestTxnComparesAndTakesOneBranch(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	k, none := p+"k", p+"none"
	created := put(ctx, t, c, k, "v1")
	modified := put(ctx, t, c, k, "v2")
	for _, row := range []struct {
		name string
		cmp  clientv3.Cmp
		want bool
	}{
		{"value equal", clientv3.Compare(clientv3.Value(k), "=", "v2"), true},
		{"value not equal", clientv3.Compare(clientv3.Value(k), "!=", "v2"), false},
		{"value less", clientv3.Compare(clientv3.Value(k), "<", "v3"), true},
		{"value greater", clientv3.Compare(clientv3.Value(k), ">", "v3"), false},
		{"version", clientv3.Compare(clientv3.Version(k), "=", 2), true},
		{"create revision", clientv3.Compare(clientv3.CreateRevision(k), "=", created), true},
		{"mod revision", clientv3.Compare(clientv3.ModRevision(k), ">", created), true},
		{"mod revision equal", clientv3.Compare(clientv3.ModRevision(k), "=", modified), true},
		{"lease", clientv3.Compare(clientv3.LeaseValue(k), "=", 0), true},
		{"version of nothing", clientv3.Compare(clientv3.Version(none), "=", 0), true},
		{"creation of nothing", clientv3.Compare(clientv3.CreateRevision(none), "=", 0), true},
		{"value of nothing", clientv3.Compare(clientv3.Value(none), "!=", "x"), false},
		{"a range", clientv3.Compare(clientv3.ModRevision(p), ">", 0).WithPrefix(), true},
		{"a range, one fails", clientv3.Compare(clientv3.Version(p), "=", 1).WithPrefix(), false},
	} {
		r, err := c.Txn(ctx).If(row.cmp).Then(clientv3.OpGet(k)).Else(clientv3.OpGet(none)).Commit()
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
		} else if r.Succeeded != row.want {
			t.Errorf("%s: want %v, got %v", row.name, row.want, r.Succeeded)
		}
	}
}

func TestTxnIsOneRevisionAndReadsItsOwnWrites(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	before := put(ctx, t, c, p+"a", "old")
	r, err := c.Txn(ctx).Then(
		clientv3.OpPut(p+"a", "new", clientv3.WithPrevKV()),
		clientv3.OpPut(p+"b", "also"),
		clientv3.OpGet(p, clientv3.WithPrefix()),
		clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Value(p+"a"), "=", "new")},
			[]clientv3.Op{clientv3.OpPut(p+"c", "nested")}, []clientv3.Op{clientv3.OpPut(p+"d", "else")}),
		clientv3.OpDelete(p+"b", clientv3.WithPrevKV()),
	).Commit()
	if err == nil {
		t.Fatal("a key put and deleted in one txn was accepted")
	}
	equal(t, "put and delete of one key", error(rpctypes.ErrDuplicateKey), err)
	r, err = c.Txn(ctx).Then(
		clientv3.OpPut(p+"a", "new", clientv3.WithPrevKV()),
		clientv3.OpPut(p+"b", "also"),
		clientv3.OpGet(p, clientv3.WithPrefix()),
		clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Value(p+"a"), "=", "new")},
			[]clientv3.Op{clientv3.OpPut(p+"c", "nested")}, []clientv3.Op{clientv3.OpPut(p+"d", "else")}),
	).Commit()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "revision", before+1, r.Header.Revision)
	equal(t, "prev_kv", "old", string(r.Responses[0].GetResponsePut().PrevKv.Value))
	equal(t, "keys seen inside", 2, len(r.Responses[2].GetResponseRange().Kvs))
	// etcd compares at every level before anything is written: the nested compare does not see "new".
	equal(t, "the nested compare", false, r.Responses[3].GetResponseTxn().Succeeded)
	all, err := c.Get(ctx, p, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range all.Kvs {
		equal(t, "mod revision of "+string(kv.Key), before+1, kv.ModRevision)
	}
	equal(t, "values", "new also else", values(ctx, t, c, p))
}

// The client knows an error by its text: errors that compare equal to rpctypes' have etcd's code and text.
func TestErrorsAreTheOnesTheClientKnows(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	k := p + "k"
	old := put(ctx, t, c, k, "v")
	now := put(ctx, t, c, k, "w")
	if _, err := c.Compact(ctx, now); err != nil {
		t.Fatal(err)
	}
	lease, err := c.Grant(ctx, 60)
	if err != nil {
		t.Fatal(err)
	}
	put := func(opts ...clientv3.OpOption) error { _, err := c.Put(ctx, k, "", opts...); return err }
	txn := func(ops ...clientv3.Op) error { _, err := c.Txn(ctx).Then(ops...).Commit(); return err }
	get := func(key string, opts ...clientv3.OpOption) error { _, err := c.Get(ctx, key, opts...); return err }
	many := func() (ops []clientv3.Op) {
		for i := range 129 {
			ops = append(ops, clientv3.OpPut(fmt.Sprint(p, i), ""))
		}
		return ops
	}
	for _, row := range []struct {
		name string
		want error
		got  error
	}{
		{"get of no key", rpctypes.ErrEmptyKey, get("")},
		{"get of the past", rpctypes.ErrCompacted, get(k, clientv3.WithRev(old))},
		{"get of the future", rpctypes.ErrFutureRev, get(k, clientv3.WithRev(now+1_000_000))},
		{"put of no key", rpctypes.ErrEmptyKey, func() error { _, err := c.Put(ctx, "", ""); return err }()},
		{"put with an unknown lease", rpctypes.ErrLeaseNotFound, put(clientv3.WithLease(0x7fffffffffff))},
		{"put that keeps a value and brings one", rpctypes.ErrValueProvided, func() error { _, err := c.Put(ctx, k, "x", clientv3.WithIgnoreValue()); return err }()},
		{"put that keeps a lease and brings one", rpctypes.ErrLeaseProvided, put(clientv3.WithIgnoreLease(), clientv3.WithLease(lease.ID))},
		{"put that keeps the value of nothing", rpctypes.ErrKeyNotFound, func() error { _, err := c.Put(ctx, p+"none", "", clientv3.WithIgnoreValue()); return err }()},
		{"put above the limit", rpctypes.ErrRequestTooLarge, func() error { _, err := c.Put(ctx, k, strings.Repeat("v", 1_600_000)); return err }()},
		{"txn with a key twice", rpctypes.ErrDuplicateKey, txn(clientv3.OpPut(k, "1"), clientv3.OpPut(k, "2"))},
		{"txn of too many", rpctypes.ErrTooManyOps, txn(many()...)},
		{"txn reading the future", rpctypes.ErrFutureRev, txn(clientv3.OpPut(p+"x", ""), clientv3.OpGet(k, clientv3.WithRev(now+1_000_000)))},
		{"txn with an unknown lease", rpctypes.ErrLeaseNotFound, txn(clientv3.OpPut(p+"x", "", clientv3.WithLease(0x7fffffffffff)))},
		{"compaction again", rpctypes.ErrCompacted, func() error { _, err := c.Compact(ctx, now); return err }()},
		{"compaction of the future", rpctypes.ErrFutureRev, func() error { _, err := c.Compact(ctx, now+1_000_000); return err }()},
		{"revoke of nothing", rpctypes.ErrLeaseNotFound, func() error { _, err := c.Revoke(ctx, 0x7fffffffffff); return err }()},
		{"renewal of nothing", rpctypes.ErrLeaseNotFound, func() error { _, err := c.KeepAliveOnce(ctx, 0x7fffffffffff); return err }()},
		{"a lease for ever", rpctypes.ErrLeaseTTLTooLarge, func() error { _, err := c.Grant(ctx, 9_000_000_001); return err }()},
	} {
		if !errors.Is(row.got, row.want) {
			t.Errorf("%s: want %q, got %v", row.name, row.want, row.got)
		}
	}
	equal(t, "what refused requests left behind", "w", values(ctx, t, c, p))
}

func TestNamespacePutsAPrefixBeforeEverything(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	kv, watcher := namespace.NewKV(c.KV, p), namespace.NewWatcher(c.Watcher, p)
	events := watcher.Watch(ctx, "", clientv3.WithPrefix())
	if _, err := kv.Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	r, err := kv.Get(ctx, "", clientv3.WithFromKey())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "key inside", "k", string(r.Kvs[0].Key))
	equal(t, "value outside", "v", values(ctx, t, c, p+"k"))
	equal(t, "key of the event", "k", string((<-events).Events[0].Kv.Key))
}

func TestOrderingNeverReadsBackInTime(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	kv := ordering.NewKV(c.KV, ordering.NewOrderViolationSwitchEndpointClosure(c))
	last := int64(0)
	for i := range 50 {
		if _, err := kv.Put(ctx, p+"k", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		r, err := kv.Get(ctx, p+"k", clientv3.WithSerializable())
		if err != nil {
			t.Fatal(err)
		}
		if r.Header.Revision < last {
			t.Fatalf("revision went from %d to %d", last, r.Header.Revision)
		}
		last = r.Header.Revision
	}
}

func TestLeasingServesReadsFromItsOwnCopy(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	kv, stop, err := leasing.NewKV(c, p+"leases/")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	put(ctx, t, c, p+"k", "v")
	for range 2 {
		equal(t, "value", "v", values(ctx, t, kv, p+"k"))
	}
	if _, err := kv.Put(ctx, p+"k", "w"); err != nil {
		t.Fatal(err)
	}
	equal(t, "value after a put through the copy", "w", values(ctx, t, kv, p+"k"))
	equal(t, "value in the store", "w", values(ctx, t, c, p+"k"))
}

func TestMirrorCopiesTheBaseThenFollows(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	for i := range 1_500 {
		put(ctx, t, c, fmt.Sprintf("%s%04d", p, i), "base")
	}
	syncer := mirror.NewSyncer(c, p, 0)
	base, failures := syncer.SyncBase(ctx)
	copied := 0
	for page := range base {
		copied += len(page.Kvs)
	}
	if err := <-failures; err != nil {
		t.Fatal(err)
	}
	equal(t, "keys in the base", 1_500, copied)
	updates := syncer.SyncUpdates(ctx)
	put(ctx, t, c, p+"later", "update")
	update := <-updates
	equal(t, "update", "update", string(update.Events[0].Kv.Value))
}
