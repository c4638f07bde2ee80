package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/protobuf/proto"
)

// queued waits until so many keys have a prefix.
func queued(ctx context.Context, s *server, prefix string, count int64) error {
	for {
		r, err := s.kv.Range(ctx, &pb.RangeRequest{Key: []byte(prefix), RangeEnd: []byte(strings.TrimSuffix(prefix, "/") + "0"), CountOnly: true})
		if err != nil || r.Count == count {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// waits answers what a call is told that waits, as the second of a queue, while something happens.
func waits(name, prefix string, call func(context.Context, *server) (proto.Message, error), meanwhile func(context.Context, *server) error) question {
	return question{name, func(ctx context.Context, s *server) string {
		answered := make(chan string, 1)
		waiting, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			answer, err := call(waiting, s)
			answered <- told(s, answer, err)
		}()
		err := queued(ctx, s, prefix, 2)
		if err == nil {
			err = meanwhile(ctx, s)
		}
		if err != nil {
			return fmt.Sprint("meanwhile: ", err)
		}
		return <-answered
	}}
}

func locks() []question {
	lock := func(name string, lease int64) *v3lockpb.LockRequest {
		return &v3lockpb.LockRequest{Name: []byte(name), Lease: lease}
	}
	unlock := func(key string) *v3lockpb.UnlockRequest { return &v3lockpb.UnlockRequest{Key: []byte(key)} }
	second := func(lease int64) func(context.Context, *server) (proto.Message, error) {
		return func(ctx context.Context, s *server) (proto.Message, error) {
			return s.lock.Lock(ctx, lock("name", lease))
		}
	}
	return []question{
		ask("lock: a lease for it", &pb.LeaseGrantRequest{ID: 0xa1, TTL: 600}),
		ask("lock: another", &pb.LeaseGrantRequest{ID: 0xb2, TTL: 600}),
		ask("lock: one that goes", &pb.LeaseGrantRequest{ID: 0xc3, TTL: 600}),
		ask("lock: a negative one", &pb.LeaseGrantRequest{ID: -0xa1, TTL: 600}),
		ask("lock: unknown lease", lock("name", 404)),
		ask("lock: first", lock("name", 0xa1)),
		ask("lock: again", lock("name", 0xa1)),
		ask("lock: without a name", lock("", 0xa1)),
		ask("lock: negative", lock("minus", -0xa1)),
		ask("lock: unlock without a key", unlock("")),
		ask("lock: unlock what is not locked", unlock("name/zz")),
		{"lock: who leaves", func(ctx context.Context, s *server) string {
			short, cancel := context.WithCancel(ctx)
			left := make(chan error, 1)
			go func() {
				_, err := s.lock.Lock(short, lock("name", 0xb2))
				left <- err
			}()
			first := queued(ctx, s, "name/", 2)
			cancel()
			return fmt.Sprint(first, told(s, nil, <-left), queued(ctx, s, "name/", 1))
		}},
		waits("lock: whose lease goes", "name/", second(0xc3), func(ctx context.Context, s *server) error {
			_, err := s.lease.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: 0xc3})
			if err == nil {
				_, err = s.lock.Unlock(ctx, unlock("name/a1"))
			}
			return err
		}),
		ask("lock: first once more", lock("name", 0xa1)),
		waits("lock: second", "name/", second(0xb2), func(ctx context.Context, s *server) error {
			_, err := s.lock.Unlock(ctx, unlock("name/a1"))
			return err
		}),
		ask("lock: what is left", get("name/", "name0")),
	}
}

func elections() []question {
	campaign := func(lease int64, value string) *v3electionpb.CampaignRequest {
		return &v3electionpb.CampaignRequest{Name: []byte("who"), Lease: lease, Value: []byte(value)}
	}
	first := func(rev int64) *v3electionpb.LeaderKey {
		return &v3electionpb.LeaderKey{Name: []byte("who"), Key: []byte("who/a1"), Rev: rev, Lease: 0xa1}
	}
	// by acts for whoever leads.
	by := func(name string, act func(context.Context, *server, *v3electionpb.LeaderKey) (proto.Message, error)) question {
		return question{name, func(ctx context.Context, s *server) string {
			r, err := s.election.Leader(ctx, &v3electionpb.LeaderRequest{Name: []byte("who")})
			if err != nil {
				return told(s, nil, err)
			}
			answer, err := act(ctx, s, &v3electionpb.LeaderKey{Name: []byte("who"), Key: r.Kv.Key, Rev: r.Kv.CreateRevision, Lease: r.Kv.Lease})
			return told(s, answer, err)
		}}
	}
	resign := func(ctx context.Context, s *server, leader *v3electionpb.LeaderKey) (proto.Message, error) {
		return s.election.Resign(ctx, &v3electionpb.ResignRequest{Leader: leader})
	}
	return []question{
		ask("election: nobody leads", &v3electionpb.LeaderRequest{Name: []byte("who")}),
		ask("election: unknown lease", campaign(404, "v")),
		ask("election: first", campaign(0xa1, "v")),
		ask("election: again", campaign(0xa1, "v")),
		ask("election: again with another value", campaign(0xa1, "w")),
		ask("election: who leads", &v3electionpb.LeaderRequest{Name: []byte("who")}),
		ask("election: proclaim without a leader", &v3electionpb.ProclaimRequest{}),
		ask("election: resign without a leader", &v3electionpb.ResignRequest{}),
		ask("election: proclaim without a key", &v3electionpb.ProclaimRequest{Leader: &v3electionpb.LeaderKey{Lease: 0xa1}}),
		ask("election: resign without a key", &v3electionpb.ResignRequest{Leader: &v3electionpb.LeaderKey{Lease: 0xa1}}),
		ask("election: proclaim of another's", &v3electionpb.ProclaimRequest{Leader: first(1), Value: []byte("x")}),
		ask("election: resign of another's", &v3electionpb.ResignRequest{Leader: first(1)}),
		by("election: proclaim", func(ctx context.Context, s *server, leader *v3electionpb.LeaderKey) (proto.Message, error) {
			return s.election.Proclaim(ctx, &v3electionpb.ProclaimRequest{Leader: leader, Value: []byte("x")})
		}),
		by("election: proclaim with an unknown lease", func(ctx context.Context, s *server, leader *v3electionpb.LeaderKey) (proto.Message, error) {
			leader.Lease = 404
			return s.election.Proclaim(ctx, &v3electionpb.ProclaimRequest{Leader: leader, Value: []byte("x")})
		}),
		waits("election: second", "who/", func(ctx context.Context, s *server) (proto.Message, error) {
			return s.election.Campaign(ctx, campaign(0xb2, "second"))
		}, func(ctx context.Context, s *server) error {
			r, err := s.election.Leader(ctx, &v3electionpb.LeaderRequest{Name: []byte("who")})
			if err == nil {
				_, err = resign(ctx, s, first(r.Kv.CreateRevision))
			}
			return err
		}),
		{"election: observed", func(ctx context.Context, s *server) string {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			observed, err := s.election.Observe(ctx, &v3electionpb.LeaderRequest{Name: []byte("who")})
			if err != nil {
				return told(s, nil, err)
			}
			answer, err := observed.Recv()
			out := told(s, answer, err)
			for _, op := range []*pb.RequestOp{opPut("who/b2", "one"), opDelete("who/b2", ""), opPut("who/b2", "two")} {
				if _, err := s.kv.Txn(ctx, then(op)); err != nil {
					return told(s, nil, err)
				}
				if op.GetRequestDeleteRange() == nil {
					answer, err := observed.Recv()
					out += told(s, answer, err)
				}
			}
			return out
		}},
		ask("election: a lease that goes", &pb.LeaseGrantRequest{ID: 0xd4, TTL: 600}),
		waits("election: a candidate whose lease goes", "who/", func(ctx context.Context, s *server) (proto.Message, error) {
			return s.election.Campaign(ctx, campaign(0xd4, "gone"))
		}, func(ctx context.Context, s *server) error {
			_, err := s.lease.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: 0xd4})
			if err == nil {
				_, err = s.kv.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: []byte("who/b2")})
			}
			return err
		}),
		ask("election: what is left", get("who/", "who0")),
		ask("election: away with the leases", &pb.LeaseRevokeRequest{ID: 0xa1}),
		ask("election: and the other", &pb.LeaseRevokeRequest{ID: 0xb2}),
		ask("election: and the last", &pb.LeaseRevokeRequest{ID: -0xa1}),
	}
}
