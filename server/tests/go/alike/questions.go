package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

func all(etcd *server) []question {
	var out []question
	for _, part := range [][]question{pages(), gateways(), puts(), ranges(), streams(), txns(), deletes(), leases(), locks(), elections(), watches(), users(), compaction(), {metricsOf(etcd)}, alarms(), operations()} {
		out = append(out, part...)
	}
	return out
}

func put(key, value string) *pb.PutRequest {
	return &pb.PutRequest{Key: []byte(key), Value: []byte(value)}
}

func get(key, end string) *pb.RangeRequest {
	return &pb.RangeRequest{Key: []byte(key), RangeEnd: []byte(end)}
}

// with changes a request of everything there is.
func with(change func(*pb.RangeRequest)) *pb.RangeRequest {
	r := get("\x00", "\x00")
	change(r)
	return r
}

func puts() []question {
	return []question{
		ask("put: no key", put("", "v")),
		ask("put: of everything wrong, the key is named first", &pb.PutRequest{Value: []byte("v"), IgnoreValue: true, IgnoreLease: true, Lease: 9}),
		ask("put: ignore_value with a value", &pb.PutRequest{Key: []byte("a"), Value: []byte("v"), IgnoreValue: true, IgnoreLease: true, Lease: 9}),
		ask("put: ignore_lease with a lease", &pb.PutRequest{Key: []byte("a"), IgnoreLease: true, Lease: 9}),
		ask("put: ignore_value of nothing", &pb.PutRequest{Key: []byte("a"), IgnoreValue: true}),
		ask("put: ignore_lease of nothing", &pb.PutRequest{Key: []byte("a"), Value: []byte("v"), IgnoreLease: true}),
		ask("put: unknown lease", &pb.PutRequest{Key: []byte("a"), Lease: 404}),
		ask("put: negative lease", &pb.PutRequest{Key: []byte("a"), Lease: -1}),
		ask("put: both refusals of the store", &pb.PutRequest{Key: []byte("a"), IgnoreValue: true, Lease: 404}),
		ask("put: prev_kv of nothing", &pb.PutRequest{Key: []byte("a"), Value: []byte("3"), PrevKv: true}),
		ask("put: a zero byte", put("\x00", "zero")),
		ask("put: 0xff", put("\xff", "last")),
		ask("put: no value", put("b", "")),
		ask("put: another", put("c", "1")),
		ask("put: prev_kv", &pb.PutRequest{Key: []byte("c"), Value: []byte("2"), PrevKv: true}),
		ask("put: ignore both", &pb.PutRequest{Key: []byte("c"), IgnoreValue: true, IgnoreLease: true, PrevKv: true}),
	}
}

func ranges() []question {
	out := []question{
		ask("range: no key", get("", "")),
		ask("range: no key with an end", get("", "\x00")),
		ask("range: no key and an unknown sort", &pb.RangeRequest{SortOrder: 9}),
		ask("range: everything", get("\x00", "\x00")),
		ask("range: from a key on", get("b", "\x00")),
		ask("range: end before key", get("c", "a")),
		ask("range: end is the key", get("c", "c")),
		ask("range: two zero bytes", get("\x00", "\x00\x00")),
		ask("range: a zero byte alone", get("\x00", "")),
		ask("range: up to 0xff", get("b", "\xff")),
		ask("range: nothing", get("nothing", "")),
		ask("range: the future", with(func(r *pb.RangeRequest) { r.Revision = 1000 })),
		ask("range: the future of an empty range", &pb.RangeRequest{Key: []byte("c"), RangeEnd: []byte("a"), Revision: 1000}),
		ask("range: the far future", with(func(r *pb.RangeRequest) { r.Revision = math.MaxInt64 })),
		ask("range: the past", with(func(r *pb.RangeRequest) { r.Revision = 3 })),
		ask("range: the first revision", with(func(r *pb.RangeRequest) { r.Revision = 1 })),
		ask("range: negative revision", with(func(r *pb.RangeRequest) { r.Revision = -5 })),
		ask("range: negative limit", with(func(r *pb.RangeRequest) { r.Limit = -1 })),
		ask("range: smallest limit", with(func(r *pb.RangeRequest) { r.Limit = math.MinInt64 })),
		ask("range: largest limit", with(func(r *pb.RangeRequest) { r.Limit = math.MaxInt64 })),
		ask("range: limit", with(func(r *pb.RangeRequest) { r.Limit = 2 })),
		ask("range: limit at the size", with(func(r *pb.RangeRequest) { r.Limit = 6 })),
		ask("range: count_only with a limit", with(func(r *pb.RangeRequest) { r.CountOnly, r.Limit = true, 2 })),
		ask("range: count_only and keys_only", with(func(r *pb.RangeRequest) { r.CountOnly, r.KeysOnly = true, true })),
		ask("range: count_only with a filter", with(func(r *pb.RangeRequest) { r.CountOnly, r.MinModRevision = true, 5 })),
		ask("range: count_only of a key", &pb.RangeRequest{Key: []byte("c"), CountOnly: true}),
		ask("range: count_only in the past", with(func(r *pb.RangeRequest) { r.CountOnly, r.Revision = true, 3 })),
		ask("range: keys_only", with(func(r *pb.RangeRequest) { r.KeysOnly = true })),
		ask("range: keys_only, by value", with(func(r *pb.RangeRequest) {
			r.KeysOnly, r.SortOrder, r.SortTarget = true, pb.RangeRequest_ASCEND, pb.RangeRequest_VALUE
		})),
		ask("range: serializable", with(func(r *pb.RangeRequest) { r.Serializable = true })),
		ask("range: unknown order", with(func(r *pb.RangeRequest) { r.SortOrder = 3 })),
		ask("range: negative order", with(func(r *pb.RangeRequest) { r.SortOrder = -1 })),
		ask("range: unknown target", with(func(r *pb.RangeRequest) { r.SortTarget = 5 })),
		ask("range: unknown sort of the future", with(func(r *pb.RangeRequest) { r.SortTarget, r.Revision = 5, 1000 })),
		ask("range: filters that cross", with(func(r *pb.RangeRequest) { r.MinModRevision, r.MaxModRevision = 5, 3 })),
		ask("range: negative filters", with(func(r *pb.RangeRequest) {
			r.MinModRevision, r.MaxModRevision, r.MinCreateRevision, r.MaxCreateRevision = -1, -1, -1, -1
		})),
		ask("range: negative max_mod_revision", with(func(r *pb.RangeRequest) { r.MaxModRevision = -1 })),
		ask("range: negative min_create_revision", with(func(r *pb.RangeRequest) { r.MinCreateRevision = -1 })),
		ask("range: all filters", with(func(r *pb.RangeRequest) {
			r.MinModRevision, r.MaxModRevision, r.MinCreateRevision, r.MaxCreateRevision = 2, 7, 3, 6
		})),
		ask("range: a filter with a limit", with(func(r *pb.RangeRequest) { r.MinModRevision, r.Limit = 4, 2 })),
		ask("range: a filter with a limit and an order", with(func(r *pb.RangeRequest) {
			r.MaxModRevision, r.Limit, r.SortOrder = 6, 2, pb.RangeRequest_DESCEND
		})),
	}
	for target := range pb.RangeRequest_SortTarget(5) {
		for order := range pb.RangeRequest_SortOrder(3) {
			for _, limit := range []int64{0, 3} {
				name := fmt.Sprintf("range: by %v, %v, limit %d", target, order, limit)
				if target != pb.RangeRequest_KEY && target != pb.RangeRequest_CREATE && target != pb.RangeRequest_MOD {
					name += " (without ties)"
					out = append(out, ask(name, &pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("d"), SortOrder: order, SortTarget: target, Limit: limit}))
					continue
				}
				out = append(out, ask(name, with(func(r *pb.RangeRequest) { r.SortOrder, r.SortTarget, r.Limit = order, target, limit })))
			}
		}
	}
	return out
}

func opPut(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put(key, value)}}
}

func opRange(r *pb.RangeRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
}

func opDelete(key, end string) *pb.RequestOp {
	r := &pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end), PrevKv: true}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
}

func opTxn(t *pb.TxnRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: t}}
}

func then(ops ...*pb.RequestOp) *pb.TxnRequest { return &pb.TxnRequest{Success: ops} }

func when(c ...*pb.Compare) *pb.TxnRequest { return &pb.TxnRequest{Compare: c} }

func txns() []question {
	many := func(n int) (ops []*pb.RequestOp) {
		for i := range n {
			ops = append(ops, opPut(fmt.Sprint("many", i), ""))
		}
		return ops
	}
	gone := func(n int) (ops []*pb.RequestOp) {
		for range n {
			ops = append(ops, opDelete("x", ""))
		}
		return ops
	}
	a := []byte("a")
	out := []question{
		ask("txn: empty", &pb.TxnRequest{}),
		ask("txn: an empty operation", then(&pb.RequestOp{})),
		ask("txn: a compare without a key", when(&pb.Compare{})),
		ask("txn: a put without a key", then(opPut("", ""))),
		ask("txn: a range without a key", then(opRange(get("", "")))),
		ask("txn: a range with an unknown sort", then(opRange(with(func(r *pb.RangeRequest) { r.SortOrder = 7 })))),
		ask("txn: the branch not taken is checked too", &pb.TxnRequest{Failure: []*pb.RequestOp{opPut("", "")}}),
		ask("txn: 128 operations", then(many(128)...)),
		ask("txn: 129 operations", then(many(129)...)),
		ask("txn: 129 operations not taken", &pb.TxnRequest{Failure: many(129)}),
		ask("txn: nested, too many together", then(append(many(100), opTxn(then(gone(28)...)))...)),
		ask("txn: away with them", then(opDelete("many", "mano"))),
		ask("txn: a key put twice", then(opPut("a", "1"), opPut("a", "2"))),
		ask("txn: a key put and deleted", then(opDelete("a", "b"), opPut("a", "2"))),
		ask("txn: a key put and deleted deeper", then(opPut("a", "2"), opTxn(then(opDelete("a", "b"))))),
		ask("txn: a key put in both branches below", then(opTxn(&pb.TxnRequest{Success: []*pb.RequestOp{opPut("n", "1")}, Failure: []*pb.RequestOp{opPut("n", "2")}}))),
		ask("txn: a key deleted twice", then(opDelete("n", ""), opDelete("m", "o"))),
		ask("txn: reads its own writes, and the past", then(opPut("t", "1"), opRange(get("t", "")), opRange(&pb.RangeRequest{Key: []byte("t"), Revision: 5}), opDelete("u", ""), opRange(get("t", "")))),
		ask("txn: reads the future", then(opPut("t", "2"), opRange(&pb.RangeRequest{Key: []byte("t"), Revision: 1000}))),
		ask("txn: reads a negative revision", then(opPut("t", "3"), opRange(&pb.RangeRequest{Key: []byte("t"), Revision: -1}))),
		ask("txn: reads only, at a negative revision", then(opRange(&pb.RangeRequest{Key: []byte("t"), Revision: -1}))),
		ask("txn: reads only, in the future", then(opRange(&pb.RangeRequest{Key: []byte("t"), Revision: 1000}))),
		ask("txn: an unknown lease after a put", then(opPut("t", "4"), &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("v"), Lease: 404}}})),
		ask("txn: ignore_value of nothing after a put", then(opPut("t", "5"), &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("v"), IgnoreValue: true}}})),
		ask("txn: ignore_value of what the txn deletes", then(opDelete("nothing", "nothing"), &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("t"), IgnoreValue: true, PrevKv: true}}})),
		ask("txn: an unknown lease in the branch not taken", &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("v"), Lease: 404}}}}}),
		ask("txn: nested headers", then(opPut("w", "1"), opTxn(&pb.TxnRequest{Compare: []*pb.Compare{{Key: []byte("w"), Target: pb.Compare_VERSION}}, Success: []*pb.RequestOp{opPut("y", "1"), opRange(get("w", ""))}, Failure: []*pb.RequestOp{opRange(get("w", ""))}}), opDelete("z", ""))),
		ask("txn: nested and empty", then(opTxn(&pb.TxnRequest{}))),
		ask("txn: count_only inside", then(opRange(with(func(r *pb.RangeRequest) { r.CountOnly, r.Limit = true, 1 })))),
		ask("txn: the store after them", get("\x00", "\x00")),
	}
	compares := []*pb.Compare{
		{Key: a, Result: 9, Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Version{Version: 77}},
		{Key: a, Result: -1, Target: pb.Compare_VALUE, TargetUnion: &pb.Compare_Value{Value: []byte("no")}},
		{Key: a, Target: 9, TargetUnion: &pb.Compare_Version{Version: 77}},
		{Key: a, Result: pb.Compare_GREATER, Target: 9},
		{Key: a, Result: pb.Compare_LESS, Target: -1},
		{Key: a, Result: pb.Compare_NOT_EQUAL, Target: 9},
		{Key: []byte("nothing"), Result: pb.Compare_NOT_EQUAL, Target: 9},
		{Key: []byte("nothing"), Result: 9, Target: pb.Compare_VALUE},
		{Key: a, Target: pb.Compare_MOD},
		{Key: a, Target: pb.Compare_MOD, TargetUnion: &pb.Compare_Version{Version: 1}},
		{Key: a, Target: pb.Compare_VALUE, TargetUnion: &pb.Compare_Version{Version: 1}},
		{Key: a, Target: pb.Compare_LEASE, TargetUnion: &pb.Compare_Lease{Lease: 0}},
		{Key: []byte("nothing"), Target: pb.Compare_VALUE, Result: pb.Compare_NOT_EQUAL, TargetUnion: &pb.Compare_Value{Value: []byte("x")}},
		{Key: []byte("nothing"), Target: pb.Compare_VALUE, Result: pb.Compare_EQUAL},
		{Key: []byte("nothing"), Target: pb.Compare_CREATE},
		{Key: []byte("nothing"), Target: pb.Compare_LEASE, Result: pb.Compare_LESS, TargetUnion: &pb.Compare_Lease{Lease: 1}},
		{Key: []byte("c"), RangeEnd: a, Target: pb.Compare_VERSION},
		{Key: []byte("c"), RangeEnd: a, Target: pb.Compare_VALUE},
		{Key: []byte("\x00"), RangeEnd: []byte("\x00"), Target: pb.Compare_VERSION, Result: pb.Compare_GREATER},
		{Key: []byte("\x00"), RangeEnd: []byte("\x00"), Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Version{Version: 1}},
	}
	for i, c := range compares {
		out = append(out, ask(fmt.Sprintf("txn: compare %d (%v %v of %q)", i, c.Result, c.Target, c.Key), when(c)))
	}
	return out
}

func deletes() []question {
	del := func(key, end string, prev bool) *pb.DeleteRangeRequest {
		return &pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end), PrevKv: prev}
	}
	return []question{
		ask("delete: no key", del("", "\x00", false)),
		ask("delete: nothing", del("nothing", "", true)),
		ask("delete: end before key", del("c", "a", true)),
		ask("delete: a range", del("t", "x", true)),
		ask("delete: from a key on", del("x", "\x00", true)),
		ask("delete: again", del("x", "\x00", true)),
	}
}

func leases() []question {
	grant := func(id, ttl int64) *pb.LeaseGrantRequest { return &pb.LeaseGrantRequest{ID: id, TTL: ttl} }
	left := func(id int64) *pb.LeaseTimeToLiveRequest { return &pb.LeaseTimeToLiveRequest{ID: id, Keys: true} }
	attached := func(key string, id int64) *pb.PutRequest { return &pb.PutRequest{Key: []byte(key), Lease: id} }
	keepAlive := func(name string, ids ...int64) question {
		return question{name, func(ctx context.Context, s *server) string {
			stream, err := s.lease.LeaseKeepAlive(ctx)
			var out []string
			for _, id := range ids {
				if err == nil {
					err = stream.Send(&pb.LeaseKeepAliveRequest{ID: id})
				}
				if err == nil {
					var answer *pb.LeaseKeepAliveResponse
					answer, err = stream.Recv()
					out = append(out, told(s, answer, err))
				}
			}
			if err == nil {
				_ = stream.CloseSend()
				_, err = stream.Recv()
			}
			return fmt.Sprint(strings.Join(out, "\n"), " then ", errors.Is(err, io.EOF))
		}}
	}
	return []question{
		question{"lease: an id is chosen", func(ctx context.Context, s *server) string {
			answer, err := s.lease.LeaseGrant(ctx, grant(0, 600))
			if err != nil || answer.ID <= 0 {
				return fmt.Sprint(answer, err)
			}
			_, err = s.lease.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: answer.ID})
			answer.ID = 1
			return told(s, answer, err)
		}},
		ask("lease: TTL 0", grant(100, 0)),
		ask("lease: negative TTL", grant(101, -5)),
		ask("lease: smallest TTL", grant(102, math.MinInt64)),
		ask("lease: TTL 1", grant(103, 1)),
		ask("lease: the largest TTL", grant(104, 9_000_000_000)),
		ask("lease: a larger TTL", grant(105, 9_000_000_001)),
		ask("lease: the largest number", grant(105, math.MaxInt64)),
		ask("lease: a taken id", grant(104, 600)),
		ask("lease: a taken id and a TTL too large", grant(104, math.MaxInt64)),
		ask("lease: a negative id", grant(-7, 600)),
		ask("lease: a key on a negative id", attached("neg", -7)),
		ask("lease: what is left of a negative id", left(-7)),
		ask("lease: keys are on one", attached("l2", 104)),
		ask("lease: and another", attached("l1", 104)),
		ask("lease: what is left of the largest", &pb.LeaseTimeToLiveRequest{ID: 104}),
		ask("lease: keys_only shows no lease", &pb.RangeRequest{Key: []byte("l1"), KeysOnly: true}),
		ask("lease: keys_only by value shows it", &pb.RangeRequest{Key: []byte("l1"), KeysOnly: true, SortTarget: pb.RangeRequest_VALUE}),
		ask("lease: keys_only in the present shows none", &pb.RangeRequest{Key: []byte("l"), RangeEnd: []byte("m"), KeysOnly: true, MinModRevision: 1}),
		ask("lease: a put without a lease detaches", put("l2", "")),
		ask("lease: what is left then", left(104)),
		ask("lease: ignore_lease keeps", &pb.PutRequest{Key: []byte("l1"), Value: []byte("v"), IgnoreLease: true, PrevKv: true}),
		ask("lease: ignore_value changes the lease", &pb.PutRequest{Key: []byte("l1"), Lease: -7, IgnoreValue: true, PrevKv: true}),
		ask("lease: what is left of none", left(404)),
		ask("lease: what is left of 0", left(0)),
		keepAlive("lease: keepalive", 104, 404, 0, -7),
		ask("lease: revoke none", &pb.LeaseRevokeRequest{ID: 404}),
		ask("lease: revoke 0", &pb.LeaseRevokeRequest{}),
		ask("lease: revoke without keys", &pb.LeaseRevokeRequest{ID: 104}),
		ask("lease: revoke with keys", &pb.LeaseRevokeRequest{ID: -7}),
		ask("lease: revoke again", &pb.LeaseRevokeRequest{ID: -7}),
		question{"lease: all that are left end", func(ctx context.Context, s *server) string {
			var answer *pb.LeaseLeasesResponse
			var err error
			for range 100 {
				if answer, err = s.lease.LeaseLeases(ctx, &pb.LeaseLeasesRequest{}); err != nil || len(answer.Leases) == 0 {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			return told(s, answer, err)
		}},
		ask("lease: order, first", grant(202, 9000)),
		ask("lease: order, second", grant(201, 5000)),
		ask("lease: order, third", grant(203, 7000)),
		ask("lease: the soonest to end comes first", &pb.LeaseLeasesRequest{}),
	}
}

// watching sends requests on one stream, and tells the answers that come until nothing has come for a while.
func watching(name string, requests ...any) question {
	return question{name, func(ctx context.Context, s *server) string {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := s.watch.Watch(ctx)
		if err != nil {
			return told(s, nil, err)
		}
		answers := make(chan string)
		go func() {
			for ctx.Err() == nil {
				answer, err := stream.Recv()
				text := told(s, answer, err)
				select {
				case answers <- text:
				case <-ctx.Done():
				}
				if err != nil {
					return
				}
			}
		}()
		var out []string
		for _, request := range requests {
			err := error(nil)
			switch r := request.(type) {
			case *pb.WatchCreateRequest:
				err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}})
			case *pb.WatchCancelRequest:
				err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: r}})
			case *pb.WatchProgressRequest:
				err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: r}})
			case *pb.WatchRequest:
				err = stream.Send(r)
			case *pb.PutRequest:
				_, err = s.kv.Put(ctx, r)
			case *pb.DeleteRangeRequest:
				_, err = s.kv.DeleteRange(ctx, r)
			case *pb.TxnRequest:
				_, err = s.kv.Txn(ctx, r)
			case string:
				err = stream.CloseSend()
			}
			if err != nil {
				out = append(out, fmt.Sprint("refused: ", err))
			}
			for quiet := false; !quiet; {
				select {
				case text := <-answers:
					out = append(out, text)
				case <-time.After(300 * time.Millisecond):
					quiet = true
				}
			}
		}
		return strings.Join(out, "\n#          ")
	}}
}

func watches() []question {
	watch := func(key, end string, start int64) *pb.WatchCreateRequest {
		return &pb.WatchCreateRequest{Key: []byte(key), RangeEnd: []byte(end), StartRevision: start}
	}
	id := func(n int64) *pb.WatchCreateRequest { return &pb.WatchCreateRequest{Key: []byte("w"), WatchId: n} }
	cancel := func(n int64) *pb.WatchCancelRequest { return &pb.WatchCancelRequest{WatchId: n} }
	progress := &pb.WatchProgressRequest{}
	return []question{
		watching("watch: an empty message is passed over", &pb.WatchRequest{}, id(0)),
		watching("watch: progress of a stream without watches", progress),
		watching("watch: ids are chosen, given, and given twice", id(0), id(0), id(1), id(5), id(5), id(0), id(-3), id(4), id(0)),
		watching("watch: cancelling", id(0), cancel(0), cancel(0), cancel(9), id(0), id(7), cancel(7), id(7)),
		watching("watch: end before key", watch("c", "a", 0), watch("c", "c", 0), id(0)),
		watching("watch: of several faults one is named", id(5), &pb.WatchCreateRequest{Key: []byte("c"), RangeEnd: []byte("a"), StartRevision: -1},
			&pb.WatchCreateRequest{Key: []byte("c"), StartRevision: -1, WatchId: 5}, &pb.WatchCreateRequest{Key: []byte("c"), RangeEnd: []byte("a"), WatchId: 5}),
		watching("watch: everything from here", watch("", "", 0), watch("", "\x00", 0), put("w", "1")),
		watching("watch: from a key on", watch("v", "\x00", 0), put("w", "2"), put("a", "3")),
		watching("watch: negative start", watch("w", "", -1), id(0)),
		watching("watch: smallest start", watch("w", "", math.MinInt64)),
		watching("watch: the past", watch("a", "d", 2)),
		watching("watch: the past with prev_kv", &pb.WatchCreateRequest{Key: []byte("a"), RangeEnd: []byte("d"), StartRevision: 2, PrevKv: true}),
		watching("watch: the future", watch("w", "", 1000), put("w", "3"), progress),
		watching("watch: the far future", watch("w", "", math.MaxInt64), put("w", "3")),
		watching("watch: filters", &pb.WatchCreateRequest{Key: []byte("w"), Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}},
			put("w", "4"), &pb.DeleteRangeRequest{Key: []byte("w")}),
		watching("watch: both filters", &pb.WatchCreateRequest{Key: []byte("w"), Filters: []pb.WatchCreateRequest_FilterType{0, 1, 0}},
			put("w", "4"), &pb.DeleteRangeRequest{Key: []byte("w")}, progress),
		watching("watch: an unknown filter", &pb.WatchCreateRequest{Key: []byte("w"), Filters: []pb.WatchCreateRequest_FilterType{7}}, put("w", "5")),
		watching("watch: a txn is one answer", &pb.WatchCreateRequest{Key: []byte("w"), RangeEnd: []byte("x"), PrevKv: true},
			then(opPut("w2", "1"), opPut("w1", "1"), opDelete("w", "")), put("w1", "2"), &pb.DeleteRangeRequest{Key: []byte("w"), RangeEnd: []byte("x")}),
		watching("watch: a deleted key is created again", &pb.WatchCreateRequest{Key: []byte("w"), PrevKv: true}, put("w", "1"), &pb.DeleteRangeRequest{Key: []byte("w")}, put("w", "2")),
		watching("watch: progress", id(0), put("elsewhere", ""), progress, put("w", "6"), progress),
		watching("watch: progress_notify at creation", &pb.WatchCreateRequest{Key: []byte("w"), ProgressNotify: true}),
		watching("watch: the client closes its half", id(0), "close", put("w", "7")),
	}
}

func compaction() []question {
	compact := func(revision int64, physical bool) *pb.CompactionRequest {
		return &pb.CompactionRequest{Revision: revision, Physical: physical}
	}
	watch := func(start int64) *pb.WatchCreateRequest {
		return &pb.WatchCreateRequest{Key: []byte("a"), StartRevision: start}
	}
	at := func(revision int64) *pb.RangeRequest {
		return &pb.RangeRequest{Key: []byte("a"), Revision: revision, CountOnly: true}
	}
	hash := func(revision int64) *pb.HashKVRequest { return &pb.HashKVRequest{Revision: revision} }
	return []question{
		ask("hash: now, nothing compacted", hash(0)),
		ask("hash: of nothing yet", hash(1)),
		ask("hash: of a few changes", hash(7)),
		ask("hash: the future", hash(1000)),
		ask("hash: negative", hash(-1)),
		ask("hash: far below", hash(math.MinInt64)),
		ask("compact: the future", compact(1000, false)),
		ask("compact: the far future", compact(math.MaxInt64, false)),
		ask("compact: negative", compact(-2, false)),
		ask("compact: -1", compact(-1, false)),
		ask("compact: 0 of a store never compacted", compact(0, false)),
		ask("compact: 0 again", compact(0, false)),
		ask("compact: once", compact(5, false)),
		ask("compact: the same", compact(5, false)),
		ask("compact: below", compact(4, true)),
		ask("compact: physical", compact(10, true)),
		// Of 0 etcd has remembered a hash since the compaction at 0.
		ask("hash: negative, compacted at 10", hash(-1)),
		ask("hash: the revision after", hash(11)),
		ask("hash: later", hash(14)),
		ask("hash: below what was compacted", hash(9)),
		ask("compact: read below", at(9)),
		ask("compact: read at", at(10)),
		ask("compact: read at 1", at(1)),
		ask("compact: read at -1", at(-1)),
		ask("compact: txn reads below", then(opPut("q", ""), opRange(at(9)))),
		ask("compact: txn reads at -1", then(opPut("q", ""), opRange(at(-1)))),
		ask("compact: txn reads only, at -1", then(opRange(at(-1)))),
		ask("compact: txn reads in the branch not taken", &pb.TxnRequest{Failure: []*pb.RequestOp{opRange(at(9))}}),
		watching("compact: watch below", watch(9)),
		watching("compact: watch at", watch(10)),
		watching("compact: watch far below, twice on a stream", watch(1), watch(2)),
		watching("compact: watch below with a chosen id", &pb.WatchCreateRequest{Key: []byte("a"), StartRevision: 3, WatchId: 42}),
		watching("compact: prev_kv that is forgotten", &pb.WatchCreateRequest{Key: []byte("\x00"), RangeEnd: []byte("\x00"), StartRevision: 10, PrevKv: true}),
	}
}

func alarms() []question {
	alarm := func(action pb.AlarmRequest_AlarmAction, member uint64, kind pb.AlarmType) *pb.AlarmRequest {
		return &pb.AlarmRequest{Action: action, MemberID: member, Alarm: kind}
	}
	const list, raise, disarm = pb.AlarmRequest_GET, pb.AlarmRequest_ACTIVATE, pb.AlarmRequest_DEACTIVATE
	const none, noSpace, corrupt = pb.AlarmType_NONE, pb.AlarmType_NOSPACE, pb.AlarmType_CORRUPT
	errorsOf := question{"alarm: status names them", func(ctx context.Context, s *server) string {
		now, err := s.maintenance.Status(ctx, &pb.StatusRequest{})
		if err != nil {
			return told(s, nil, err)
		}
		// Neither etcd's protobuf library nor its map of alarms has an order or a number of spaces of its own.
		words := strings.Split(strings.ReplaceAll(strings.Join(now.Errors, "|"), fmt.Sprint(s.member), "1"), "|")
		slices.Sort(words)
		return strings.ReplaceAll(strings.Join(words, "|"), "  ", " ")
	}}
	return slices.Concat([]question{
		ask("alarm: list", alarm(list, 0, none)),
		ask("alarm: list of a kind", alarm(list, 0, noSpace)),
		ask("alarm: list of an unknown kind", alarm(list, 0, 9)),
		ask("alarm: disarm what is not raised", alarm(disarm, 1, noSpace)),
		ask("alarm: disarm nothing", alarm(disarm, 0, none)),
		ask("alarm: raise no space", alarm(raise, 1, noSpace)),
		ask("alarm: raise it again", alarm(raise, 1, noSpace)),
	}, probes(), []question{
		ask("alarm: raise it for a stranger", alarm(raise, 77, noSpace)),
		ask("alarm: the list has both", alarm(list, 1, none)),
		errorsOf,
		ask("alarm: no space refuses a put", put("a", "")),
		ask("alarm: no space refuses a txn with a put", then(opPut("a", ""))),
		ask("alarm: no space refuses a put not taken", &pb.TxnRequest{Failure: []*pb.RequestOp{opPut("a", "")}}),
		ask("alarm: no space refuses a put below", then(opTxn(then(opPut("a", ""))))),
		ask("alarm: no space refuses a malformed put as malformed", put("", "")),
		ask("alarm: no space lets a txn delete", then(opDelete("q", ""))),
		ask("alarm: no space lets a delete through", &pb.DeleteRangeRequest{Key: []byte("q")}),
		ask("alarm: no space refuses a grant", &pb.LeaseGrantRequest{ID: 300, TTL: 60}),
		ask("alarm: no space lets a revoke through", &pb.LeaseRevokeRequest{ID: 202}),
		ask("alarm: no space lets a read through", get("a", "")),
		ask("alarm: no space lets a compaction through", &pb.CompactionRequest{Revision: 12}),
		ask("alarm: disarm the stranger", alarm(disarm, 77, noSpace)),
		ask("alarm: raise corrupt", alarm(raise, 1, corrupt)),
		web("GET", "/health?exclude=NOSPACE"),
		web("GET", "/readyz/data_corruption"),
		web("GET", "/readyz?exclude=serializable_read&exclude=linearizable_read&exclude=non_learner"),
		web("GET", "/readyz?exclude=data_corruption"),
		ask("alarm: list of one kind", alarm(list, 0, corrupt)),
		errorsOf,
		ask("alarm: corrupt refuses a put", put("a", "")),
		ask("alarm: corrupt refuses a delete", &pb.DeleteRangeRequest{Key: []byte("q")}),
		ask("alarm: corrupt refuses a txn", then(opPut("a", ""))),
		ask("alarm: corrupt and a txn that only reads", then(opRange(get("a", "")))),
		ask("alarm: corrupt refuses a compaction", &pb.CompactionRequest{Revision: 13}),
		ask("alarm: corrupt refuses a grant", &pb.LeaseGrantRequest{ID: 300, TTL: 60}),
		ask("alarm: corrupt refuses a revoke", &pb.LeaseRevokeRequest{ID: 201}),
		ask("alarm: corrupt lets a read through", get("a", "")),
		ask("alarm: disarm corrupt", alarm(disarm, 1, corrupt)),
		ask("alarm: disarm no space", alarm(disarm, 1, noSpace)),
		ask("alarm: none is left", alarm(list, 0, none)),
		ask("alarm: a put again", put("a", "")),
	})
}

func operations() []question {
	return []question{
		question{"members", func(ctx context.Context, s *server) string {
			var out []string
			for _, linearizable := range []bool{true, false} {
				list, err := s.cluster.MemberList(ctx, &pb.MemberListRequest{Linearizable: linearizable})
				if err == nil {
					for _, m := range list.Members {
						shape := fmt.Sprintf("%v %d %d", m.Name != "", len(m.PeerURLs), len(m.ClientURLs))
						if m.ID == s.member {
							m.ID = 1
						}
						m.Name, m.PeerURLs, m.ClientURLs = shape, nil, nil
					}
				}
				out = append(out, told(s, list, err))
			}
			return strings.Join(out, "\n")
		}},
		question{"status", func(ctx context.Context, s *server) string {
			now, err := s.maintenance.Status(ctx, &pb.StatusRequest{})
			if err != nil {
				return told(s, nil, err)
			}
			now.Header.RaftTerm = 1
			shape := fmt.Sprintf("size %v, in use %v, leader is me %v, index %v, applied all %v, term %v, quota %d",
				now.DbSize > 0, now.DbSizeInUse > 0 && now.DbSizeInUse <= now.DbSize, now.Leader == s.member, now.RaftIndex > 0,
				now.RaftAppliedIndex == now.RaftIndex, now.RaftTerm > 0, now.DbSizeQuota)
			now.DbSize, now.DbSizeInUse, now.Leader, now.RaftIndex, now.RaftAppliedIndex, now.RaftTerm = 0, 0, 0, 0, 0, 0
			return shape + told(s, now, nil)
		}},
		ask("put: the largest request", put("big", strings.Repeat("v", 1_500_000))),
		ask("put: above --max-request-bytes", put("big", strings.Repeat("v", 1_572_864))),
		question{"put: above what the transport takes", func(ctx context.Context, s *server) string {
			answer, err := s.kv.Put(ctx, put("big", strings.Repeat("v", 2_200_000)))
			return told(s, answer, err)
		}},
		ask("put: small again", put("big", "v")),
		question{"everything as it is in the end", func(ctx context.Context, s *server) string {
			answer, err := s.kv.Range(ctx, get("\x00", "\x00"))
			return told(s, answer, err)
		}},
		ask("an unknown action on an alarm", &pb.AlarmRequest{Action: 9, MemberID: 1, Alarm: pb.AlarmType_NOSPACE}),
	}
}
