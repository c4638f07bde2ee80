// alike asks detcd and a real etcd the same odd questions, one after the other, and compares the answers field by
// field.
//
//	alike DETCD_ENDPOINT ETCD_ENDPOINT
//
// Both must be fresh: a revision, a count or a lease that differs is a difference. What the two may rightly answer in
// another way (ids of clusters and members, raft's term, sizes) is replaced by a word first. Every difference must be
// in `known`, with its reason, which docs/compatibility.md tells; any other one, and a known one that is gone, makes
// the exit code 1.
package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// known differences, by the name of the question.
var known = map[string]string{
	"election: a candidate whose lease goes": "detcd refuses it; to etcd it leads",
	"an unknown action on an alarm":          "detcd refuses it; etcd's process panics (so this is the last question)",
}

// server is one of the two.
type server struct {
	kv          pb.KVClient
	watch       pb.WatchClient
	lease       pb.LeaseClient
	cluster     pb.ClusterClient
	maintenance pb.MaintenanceClient
	lock        v3lockpb.LockClient
	election    v3electionpb.ElectionClient
	// For whatever has no client above.
	conn   *grpc.ClientConn
	tokens map[string]string
	member uint64
	// Where it answers over HTTP, with its scheme.
	url string
}

// question is asked of one server; the answer is text that can be compared.
type question struct {
	name string
	ask  func(context.Context, *server) string
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: alike DETCD_ENDPOINT ETCD_ENDPOINT")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	ours, theirs := connect(ctx, os.Args[1]), connect(ctx, os.Args[2])
	unexpected, questions := 0, all(theirs)
	for _, q := range questions {
		one, other := q.ask(ctx, ours), q.ask(ctx, theirs)
		reason, expected := known[q.name]
		switch {
		case one == other && !expected:
			fmt.Println("ok -", q.name)
		case one != other && expected:
			fmt.Printf("ok - %s differs: %s\n", q.name, reason)
		case one == other:
			unexpected++
			fmt.Printf("not ok - %s should differ: %s\n#   both: %s\n", q.name, reason, one)
		default:
			unexpected++
			fmt.Printf("not ok - %s\n#   detcd: %s\n#   etcd:  %s\n", q.name, one, other)
		}
	}
	fmt.Printf("%d questions, %d unexpected answers\n", len(questions), unexpected)
	if unexpected != 0 {
		os.Exit(1)
	}
}

func connect(ctx context.Context, endpoint string) *server {
	conn, err := grpc.NewClient(strings.TrimPrefix(endpoint, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err == nil {
		s := &server{
			kv: pb.NewKVClient(conn), watch: pb.NewWatchClient(conn), lease: pb.NewLeaseClient(conn),
			cluster: pb.NewClusterClient(conn), maintenance: pb.NewMaintenanceClient(conn),
			lock: v3lockpb.NewLockClient(conn), election: v3electionpb.NewElectionClient(conn),
			url: endpoint, conn: conn, tokens: map[string]string{},
		}
		var now *pb.StatusResponse
		if now, err = s.maintenance.Status(ctx, &pb.StatusRequest{}); err == nil {
			s.member = now.Header.MemberId
			return s
		}
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", endpoint, err)
	os.Exit(2)
	return nil
}

// told is an answer or a refusal as text.
func told(s *server, answer proto.Message, err error) string {
	if err != nil {
		refusal := status.Convert(err)
		return fmt.Sprintf("%v: %s", refusal.Code(), refusal.Message())
	}
	normalize(s, answer.ProtoReflect())
	if list, ok := answer.(*pb.AlarmResponse); ok {
		slices.SortFunc(list.Alarms, func(a, b *pb.AlarmMember) int { return cmp.Compare(a.MemberID, b.MemberID) })
	}
	if lease, ok := answer.(*pb.LeaseTimeToLiveResponse); ok {
		// etcd tells them in no order.
		slices.SortFunc(lease.Keys, bytes.Compare)
	}
	// protojson varies its spaces on purpose.
	return strings.ReplaceAll(protojson.MarshalOptions{}.Format(answer), " ", "")
}

// normalize replaces what rightly differs by a number that says only whether it is there.
func normalize(s *server, m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Name() == "memberID" || field.Name() == "member_id":
			if value.Uint() == s.member {
				m.Set(field, protoreflect.ValueOfUint64(1))
			}
		case field.Name() == "cluster_id" || field.Name() == "raft_term":
			m.Set(field, protoreflect.ValueOfUint64(1))
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				normalize(s, value.List().Get(i).Message())
			}
		case field.Message() != nil && !field.IsMap():
			normalize(s, value.Message())
		}
		return true
	})
}

// unary makes a question of one request.
func unary[Q, A proto.Message](name string, of func(*server) func(context.Context, Q, ...grpc.CallOption) (A, error), request Q) question {
	return question{name, func(ctx context.Context, s *server) string {
		answer, err := of(s)(ctx, request)
		return told(s, answer, err)
	}}
}

func ask(name string, request proto.Message) question {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return unary(name, func(s *server) func(context.Context, *pb.RangeRequest, ...grpc.CallOption) (*pb.RangeResponse, error) {
			return s.kv.Range
		}, r)
	case *pb.PutRequest:
		return unary(name, func(s *server) func(context.Context, *pb.PutRequest, ...grpc.CallOption) (*pb.PutResponse, error) {
			return s.kv.Put
		}, r)
	case *pb.DeleteRangeRequest:
		return unary(name, func(s *server) func(context.Context, *pb.DeleteRangeRequest, ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
			return s.kv.DeleteRange
		}, r)
	case *pb.TxnRequest:
		return unary(name, func(s *server) func(context.Context, *pb.TxnRequest, ...grpc.CallOption) (*pb.TxnResponse, error) {
			return s.kv.Txn
		}, r)
	case *pb.CompactionRequest:
		return unary(name, func(s *server) func(context.Context, *pb.CompactionRequest, ...grpc.CallOption) (*pb.CompactionResponse, error) {
			return s.kv.Compact
		}, r)
	case *pb.HashKVRequest:
		return unary(name, func(s *server) func(context.Context, *pb.HashKVRequest, ...grpc.CallOption) (*pb.HashKVResponse, error) {
			return s.maintenance.HashKV
		}, r)
	case *pb.LeaseGrantRequest:
		return unary(name, func(s *server) func(context.Context, *pb.LeaseGrantRequest, ...grpc.CallOption) (*pb.LeaseGrantResponse, error) {
			return s.lease.LeaseGrant
		}, r)
	case *pb.LeaseRevokeRequest:
		return unary(name, func(s *server) func(context.Context, *pb.LeaseRevokeRequest, ...grpc.CallOption) (*pb.LeaseRevokeResponse, error) {
			return s.lease.LeaseRevoke
		}, r)
	case *pb.LeaseTimeToLiveRequest:
		return unary(name, func(s *server) func(context.Context, *pb.LeaseTimeToLiveRequest, ...grpc.CallOption) (*pb.LeaseTimeToLiveResponse, error) {
			return s.lease.LeaseTimeToLive
		}, r)
	case *pb.LeaseLeasesRequest:
		return unary(name, func(s *server) func(context.Context, *pb.LeaseLeasesRequest, ...grpc.CallOption) (*pb.LeaseLeasesResponse, error) {
			return s.lease.LeaseLeases
		}, r)
	case *v3lockpb.LockRequest:
		return unary(name, func(s *server) func(context.Context, *v3lockpb.LockRequest, ...grpc.CallOption) (*v3lockpb.LockResponse, error) {
			return s.lock.Lock
		}, r)
	case *v3lockpb.UnlockRequest:
		return unary(name, func(s *server) func(context.Context, *v3lockpb.UnlockRequest, ...grpc.CallOption) (*v3lockpb.UnlockResponse, error) {
			return s.lock.Unlock
		}, r)
	case *v3electionpb.CampaignRequest:
		return unary(name, func(s *server) func(context.Context, *v3electionpb.CampaignRequest, ...grpc.CallOption) (*v3electionpb.CampaignResponse, error) {
			return s.election.Campaign
		}, r)
	case *v3electionpb.ProclaimRequest:
		return unary(name, func(s *server) func(context.Context, *v3electionpb.ProclaimRequest, ...grpc.CallOption) (*v3electionpb.ProclaimResponse, error) {
			return s.election.Proclaim
		}, r)
	case *v3electionpb.LeaderRequest:
		return unary(name, func(s *server) func(context.Context, *v3electionpb.LeaderRequest, ...grpc.CallOption) (*v3electionpb.LeaderResponse, error) {
			return s.election.Leader
		}, r)
	case *v3electionpb.ResignRequest:
		return unary(name, func(s *server) func(context.Context, *v3electionpb.ResignRequest, ...grpc.CallOption) (*v3electionpb.ResignResponse, error) {
			return s.election.Resign
		}, r)
	case *pb.AlarmRequest:
		return question{name, func(ctx context.Context, s *server) string {
			own := proto.Clone(r).(*pb.AlarmRequest)
			if own.MemberID == 1 {
				own.MemberID = s.member
			}
			answer, err := s.maintenance.Alarm(ctx, own)
			return told(s, answer, err)
		}}
	}
	panic(fmt.Sprintf("nobody is asked %T", request))
}
