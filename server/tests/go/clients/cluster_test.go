// Package clients asks a cluster what programs ask of etcd, through etcd's own Go client, its concurrency package and
// its recipes. The tests know nothing of the server but its endpoints (DETCD_ENDPOINTS, comma separated), so they
// pass against a real etcd too; that is how one knows that they ask for what etcd does.
package clients

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// bound is how long a test may take: a server that does not answer fails one test, not the run.
const bound = 30 * time.Second

func endpoints(t testing.TB) []string {
	t.Helper()
	list := os.Getenv("DETCD_ENDPOINTS")
	if list == "" {
		t.Fatal("DETCD_ENDPOINTS names no endpoint, for example http://127.0.0.1:2379")
	}
	return strings.Split(list, ",")
}

// dial connects to some endpoints; the client and the context end with the test.
func dial(t testing.TB, endpoints []string) (*clientv3.Client, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Close()
	})
	return c, ctx
}

func connect(t testing.TB) (*clientv3.Client, context.Context) {
	t.Helper()
	return dial(t, endpoints(t))
}

// prefix is a part of the key space that no other test and no earlier run has used.
func prefix(t testing.TB) string {
	return fmt.Sprintf("clients/%s/%d/", t.Name(), time.Now().UnixNano())
}

// put writes and returns the revision.
func put(ctx context.Context, t testing.TB, c *clientv3.Client, key, value string, opts ...clientv3.OpOption) int64 {
	t.Helper()
	r, err := c.Put(ctx, key, value, opts...)
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return r.Header.Revision
}

// values of all keys under a prefix, in the order of the keys.
func values(ctx context.Context, t testing.TB, c clientv3.KV, prefix string) string {
	t.Helper()
	r, err := c.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, kv := range r.Kvs {
		out = append(out, string(kv.Value))
	}
	return strings.Join(out, " ")
}

func equal[T comparable](t testing.TB, what string, want, got T) {
	t.Helper()
	if want != got {
		t.Fatalf("%s: want %v, got %v", what, want, got)
	}
}

func TestMembersTellWhoTheyAre(t *testing.T) {
	c, ctx := connect(t)
	list, err := c.MemberList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	known := map[uint64]bool{}
	for _, m := range list.Members {
		if m.Name == "" || len(m.ClientURLs) == 0 || len(m.PeerURLs) == 0 || m.IsLearner {
			t.Errorf("member %v", m)
		}
		known[m.ID] = true
	}
	var leader uint64
	for _, endpoint := range endpoints(t) {
		s, err := c.Status(ctx, endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if s.Header.ClusterId != list.Header.ClusterId || !known[s.Header.MemberId] || !known[s.Leader] {
			t.Errorf("%s: cluster %x member %x leader %x", endpoint, s.Header.ClusterId, s.Header.MemberId, s.Leader)
		}
		if leader != 0 && leader != s.Leader {
			t.Errorf("%s follows %x, others follow %x", endpoint, s.Leader, leader)
		}
		leader = s.Leader
		if !strings.HasPrefix(s.Version, "3.") || s.RaftTerm == 0 || s.RaftIndex < s.RaftAppliedIndex || len(s.Errors) != 0 {
			t.Errorf("%s: %v", endpoint, s)
		}
	}
}

func TestNoAlarmIsRaised(t *testing.T) {
	c, ctx := connect(t)
	list, err := c.AlarmList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "alarms", 0, len(list.Alarms))
	if _, err := c.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
}

func TestHealthServiceSaysServing(t *testing.T) {
	c, ctx := connect(t)
	health := grpc_health_v1.NewHealthClient(c.ActiveConnection())
	r, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "status", grpc_health_v1.HealthCheckResponse_SERVING, r.Status)
}

func TestWhatOneMemberAcknowledgedEveryMemberReads(t *testing.T) {
	all := endpoints(t)
	key := prefix(t) + "k"
	for round := range 20 {
		writer, ctx := dial(t, all[round%len(all):round%len(all)+1])
		revision := put(ctx, t, writer, key, fmt.Sprint(round))
		for _, endpoint := range all {
			reader, ctx := dial(t, []string{endpoint})
			r, err := reader.Get(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "value at "+endpoint, fmt.Sprint(round), string(r.Kvs[0].Value))
			equal(t, "revision at "+endpoint, revision, r.Kvs[0].ModRevision)
		}
	}
}
