package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Every kind of caller: a call is answered by who it is from.
var callers = []string{"nobody", "a liar", "alice", "bob", "root"}

// as is the context of a call of somebody; whoever logged in has a token at each server.
func as(ctx context.Context, s *server, who string) context.Context {
	switch who {
	case "nobody":
		return ctx
	case "a liar":
		return metadata.AppendToOutgoingContext(ctx, "token", "notatokenatallxx.1")
	default:
		return metadata.AppendToOutgoingContext(ctx, "token", s.tokens[who])
	}
}

// by is a call of somebody, to any method.
func by(who, method string, request, answer proto.Message) question {
	service, call, _ := strings.Cut(method, ".")
	return question{fmt.Sprintf("auth: %s: %s by %s", call, strings.ReplaceAll(fmt.Sprint(request), "  ", " "), who), func(ctx context.Context, s *server) string {
		into := proto.Clone(answer)
		proto.Reset(into)
		err := s.conn.Invoke(as(ctx, s, who), "/"+map[string]string{
			"kv": "etcdserverpb.KV", "auth": "etcdserverpb.Auth", "lease": "etcdserverpb.Lease", "cluster": "etcdserverpb.Cluster",
			"maintenance": "etcdserverpb.Maintenance", "lock": "v3lockpb.Lock",
		}[service]+"/"+call, proto.Clone(request), into)
		return told(s, into, err)
	}}
}

// logIn keeps the token; the answer tells its form.
func logIn(who, password string) question {
	return question{"auth: log-in of " + who, func(ctx context.Context, s *server) string {
		answer := &pb.AuthenticateResponse{}
		err := s.conn.Invoke(ctx, "/etcdserverpb.Auth/Authenticate", &pb.AuthenticateRequest{Name: who, Password: password}, answer)
		if err == nil {
			s.tokens[who] = answer.Token
			letters, _, found := strings.Cut(answer.Token, ".")
			answer.Token = fmt.Sprintf("%d letters, an index: %v", len(letters), found)
		}
		return told(s, answer, err)
	}}
}

// watchBy begins a watch as somebody: created, or not.
func watchBy(who, key, end string) question {
	return question{fmt.Sprintf("auth: watch %q to %q by %s", key, end, who), func(ctx context.Context, s *server) string {
		ctx, cancel := context.WithCancel(as(ctx, s, who))
		defer cancel()
		stream, err := s.watch.Watch(ctx)
		if err != nil {
			return told(s, nil, err)
		}
		create := &pb.WatchCreateRequest{Key: []byte(key), RangeEnd: []byte(end)}
		if err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
			return told(s, nil, err)
		}
		answer, err := stream.Recv()
		return told(s, answer, err)
	}}
}

// keepAliveBy renews a lease as somebody.
func keepAliveBy(who string, lease int64) question {
	return question{fmt.Sprintf("auth: keep alive %d by %s", lease, who), func(ctx context.Context, s *server) string {
		ctx, cancel := context.WithCancel(as(ctx, s, who))
		defer cancel()
		stream, err := s.lease.LeaseKeepAlive(ctx)
		if err != nil {
			return told(s, nil, err)
		}
		if err = stream.Send(&pb.LeaseKeepAliveRequest{ID: lease}); err != nil {
			return told(s, nil, err)
		}
		answer, err := stream.Recv()
		return told(s, answer, err)
	}}
}

// postBy asks the JSON gateway.
func postBy(who, path, body string) question {
	return question{fmt.Sprintf("auth: POST %s by %s", path, who), func(ctx context.Context, s *server) string {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
		if err != nil {
			return err.Error()
		}
		if token := s.tokens[who]; token != "" {
			request.Header.Set("Authorization", token)
		}
		// Nobody is somebody by saying so.
		request.Header.Set("Grpc-Metadata-X-Detcd-Certificate-Name", "root")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode == http.StatusOK {
			return answer.Status
		}
		return answer.Status + string(compact(text))
	}}
}

// members counts: their ids and URLs differ.
func members(who string, linearizable bool) question {
	return question{fmt.Sprintf("auth: members by %s, linearizable: %v", who, linearizable), func(ctx context.Context, s *server) string {
		answer := &pb.MemberListResponse{}
		err := s.conn.Invoke(as(ctx, s, who), "/etcdserverpb.Cluster/MemberList", &pb.MemberListRequest{Linearizable: linearizable}, answer)
		if err == nil {
			return fmt.Sprint(len(answer.Members), " of them")
		}
		return told(s, answer, err)
	}}
}

func granted(kind authpb.Permission_Type, key, end string) *authpb.Permission {
	return &authpb.Permission{PermType: kind, Key: []byte(key), RangeEnd: []byte(end)}
}

func grantTo(role string, permission *authpb.Permission) question {
	return by("root", "auth.RoleGrantPermission", &pb.AuthRoleGrantPermissionRequest{Name: role, Perm: permission}, &pb.AuthRoleGrantPermissionResponse{})
}

// management is every call of the service but log-ins, with what it refuses, while auth is off.
func management() []question {
	user, role := &pb.AuthUserAddResponse{}, &pb.AuthRoleAddResponse{}
	return []question{
		by("nobody", "auth.AuthStatus", &pb.AuthStatusRequest{}, &pb.AuthStatusResponse{}),
		logIn("root", "hush"),
		by("nobody", "auth.AuthEnable", &pb.AuthEnableRequest{}, &pb.AuthEnableResponse{}),
		by("nobody", "auth.UserAdd", &pb.AuthUserAddRequest{Name: "", Password: "x"}, user),
		by("nobody", "auth.UserAdd", &pb.AuthUserAddRequest{Name: "root", Password: strings.Repeat("x", 73)}, user),
		by("nobody", "auth.UserAdd", &pb.AuthUserAddRequest{Name: "root", Password: "hush"}, user),
		by("nobody", "auth.UserAdd", &pb.AuthUserAddRequest{Name: "root", Password: "again"}, user),
		by("nobody", "auth.UserAdd", &pb.AuthUserAddRequest{Name: "alice", Password: "wonder"}, user),
		by("nobody", "auth.UserAdd", &pb.AuthUserAddRequest{Name: "bob", Password: ""}, user),
		by("nobody", "auth.UserAdd", &pb.AuthUserAddRequest{Name: "carol", Options: &authpb.UserAddOptions{NoPassword: true}}, user),
		by("nobody", "auth.AuthEnable", &pb.AuthEnableRequest{}, &pb.AuthEnableResponse{}),
		by("nobody", "auth.UserGet", &pb.AuthUserGetRequest{Name: "dave"}, &pb.AuthUserGetResponse{}),
		by("nobody", "auth.UserDelete", &pb.AuthUserDeleteRequest{Name: "dave"}, &pb.AuthUserDeleteResponse{}),
		by("nobody", "auth.UserChangePassword", &pb.AuthUserChangePasswordRequest{Name: "dave", Password: "x"}, &pb.AuthUserChangePasswordResponse{}),
		by("nobody", "auth.UserChangePassword", &pb.AuthUserChangePasswordRequest{Name: "carol", Password: "x"}, &pb.AuthUserChangePasswordResponse{}),
		by("nobody", "auth.RoleAdd", &pb.AuthRoleAddRequest{Name: ""}, role),
		by("nobody", "auth.RoleAdd", &pb.AuthRoleAddRequest{Name: "reader"}, role),
		by("nobody", "auth.RoleAdd", &pb.AuthRoleAddRequest{Name: "reader"}, role),
		by("nobody", "auth.RoleAdd", &pb.AuthRoleAddRequest{Name: "writer"}, role),
		by("nobody", "auth.RoleGet", &pb.AuthRoleGetRequest{Role: "nothing"}, &pb.AuthRoleGetResponse{}),
		by("nobody", "auth.RoleGet", &pb.AuthRoleGetRequest{Role: "root"}, &pb.AuthRoleGetResponse{}),
		by("nobody", "auth.RoleDelete", &pb.AuthRoleDeleteRequest{Role: "nothing"}, &pb.AuthRoleDeleteResponse{}),
		grantTo("reader", nil),
		grantTo("nothing", granted(authpb.Permission_READ, "a", "")),
		grantTo("reader", granted(authpb.Permission_READ, "", "")),
		grantTo("reader", granted(authpb.Permission_READ, "b", "a")),
		grantTo("reader", granted(authpb.Permission_READ, "b", "b")),
		grantTo("reader", granted(authpb.Permission_READ, "p/", "p0")),
		grantTo("reader", granted(authpb.Permission_READWRITE, "p/", "p0")),
		grantTo("reader", granted(authpb.Permission_READ, "p/", "p0")),
		grantTo("reader", granted(authpb.Permission_READ, "one", "")),
		grantTo("reader", granted(authpb.Permission_READ, "z", "\x00")),
		grantTo("writer", granted(authpb.Permission_WRITE, "p/", "p/m")),
		grantTo("writer", granted(authpb.Permission_WRITE, "p/m", "p/q")),
		by("nobody", "auth.RoleGet", &pb.AuthRoleGetRequest{Role: "reader"}, &pb.AuthRoleGetResponse{}),
		by("nobody", "auth.RoleRevokePermission", &pb.AuthRoleRevokePermissionRequest{Role: "nothing"}, &pb.AuthRoleRevokePermissionResponse{}),
		by("nobody", "auth.RoleRevokePermission", &pb.AuthRoleRevokePermissionRequest{Role: "reader", Key: []byte("p/")}, &pb.AuthRoleRevokePermissionResponse{}),
		by("nobody", "auth.UserGrantRole", &pb.AuthUserGrantRoleRequest{User: "dave", Role: "reader"}, &pb.AuthUserGrantRoleResponse{}),
		by("nobody", "auth.UserGrantRole", &pb.AuthUserGrantRoleRequest{User: "alice", Role: "nothing"}, &pb.AuthUserGrantRoleResponse{}),
		by("nobody", "auth.UserGrantRole", &pb.AuthUserGrantRoleRequest{User: "alice", Role: "reader"}, &pb.AuthUserGrantRoleResponse{}),
		by("nobody", "auth.UserGrantRole", &pb.AuthUserGrantRoleRequest{User: "alice", Role: "reader"}, &pb.AuthUserGrantRoleResponse{}),
		by("nobody", "auth.UserGrantRole", &pb.AuthUserGrantRoleRequest{User: "alice", Role: "writer"}, &pb.AuthUserGrantRoleResponse{}),
		by("nobody", "auth.UserGrantRole", &pb.AuthUserGrantRoleRequest{User: "root", Role: "root"}, &pb.AuthUserGrantRoleResponse{}),
		by("nobody", "auth.UserRevokeRole", &pb.AuthUserRevokeRoleRequest{Name: "bob", Role: "reader"}, &pb.AuthUserRevokeRoleResponse{}),
		by("nobody", "auth.UserGet", &pb.AuthUserGetRequest{Name: "alice"}, &pb.AuthUserGetResponse{}),
		by("nobody", "auth.UserList", &pb.AuthUserListRequest{}, &pb.AuthUserListResponse{}),
		by("nobody", "auth.RoleList", &pb.AuthRoleListRequest{}, &pb.AuthRoleListResponse{}),
		by("nobody", "kv.Put", put("p/a", "1"), &pb.PutResponse{}),
		by("nobody", "kv.Put", put("secret", "1"), &pb.PutResponse{}),
		by("nobody", "lease.LeaseGrant", &pb.LeaseGrantRequest{ID: 771, TTL: 600}, &pb.LeaseGrantResponse{}),
		by("nobody", "lease.LeaseGrant", &pb.LeaseGrantRequest{ID: 772, TTL: 600}, &pb.LeaseGrantResponse{}),
		by("nobody", "kv.Put", &pb.PutRequest{Key: []byte("secret"), Lease: 771}, &pb.PutResponse{}),
		by("nobody", "kv.Put", &pb.PutRequest{Key: []byte("p/b"), Lease: 772}, &pb.PutResponse{}),
		by("nobody", "auth.AuthEnable", &pb.AuthEnableRequest{}, &pb.AuthEnableResponse{}),
		by("nobody", "auth.AuthStatus", &pb.AuthStatusRequest{}, &pb.AuthStatusResponse{}),
		logIn("dave", "x"), logIn("root", "wrong"), logIn("carol", "x"), logIn("bob", "x"),
		logIn("alice", strings.Repeat("wonder", 100_000)),
		logIn("root", "hush"), logIn("alice", "wonder"), logIn("bob", ""),
	}
}

// calls is every call, by everybody.
func calls(who string) []question {
	nested := &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
		Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: put("secret", "x")}}},
	}}}}}
	compares := func(key string) *pb.TxnRequest {
		return &pb.TxnRequest{Compare: []*pb.Compare{{Key: []byte(key), Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Version{Version: 99}}}}
	}
	puts := func(key string) *pb.TxnRequest {
		return &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: put(key, "2")}}}}
	}
	in := func(r *pb.RangeRequest) *pb.RangeRequest { r.Serializable = true; return r }
	out := []question{
		by(who, "kv.Put", put("", ""), &pb.PutResponse{}),
		by(who, "kv.Put", put("p/a", "2"), &pb.PutResponse{}),
		by(who, "kv.Put", put("p/z", "2"), &pb.PutResponse{}),
		by(who, "kv.Put", &pb.PutRequest{Key: []byte("p/a"), PrevKv: true}, &pb.PutResponse{}),
		by(who, "kv.Put", &pb.PutRequest{Key: []byte("p/c"), Lease: 771}, &pb.PutResponse{}),
		by(who, "kv.Put", &pb.PutRequest{Key: []byte("p/c"), Lease: 772}, &pb.PutResponse{}),
		by(who, "kv.Txn", &pb.TxnRequest{}, &pb.TxnResponse{}),
		by(who, "kv.Txn", nested, &pb.TxnResponse{}),
		by(who, "kv.Txn", compares("p/a"), &pb.TxnResponse{}),
		by(who, "kv.Txn", compares("secret"), &pb.TxnResponse{}),
		by(who, "kv.Txn", puts("p/a"), &pb.TxnResponse{}),
		by(who, "kv.Txn", puts("secret"), &pb.TxnResponse{}),
		by(who, "kv.Compact", &pb.CompactionRequest{Revision: 1_000_000}, &pb.CompactionResponse{}),
		by(who, "lease.LeaseGrant", &pb.LeaseGrantRequest{ID: 900 + int64(len(who)), TTL: 600}, &pb.LeaseGrantResponse{}),
		keepAliveBy(who, 771), keepAliveBy(who, 772),
		by(who, "lease.LeaseLeases", &pb.LeaseLeasesRequest{}, &pb.LeaseLeasesResponse{}),
		by(who, "lease.LeaseRevoke", &pb.LeaseRevokeRequest{ID: 404}, &pb.LeaseRevokeResponse{}),
		members(who, true), members(who, false),
		by(who, "maintenance.Alarm", &pb.AlarmRequest{}, &pb.AlarmResponse{}),
		by(who, "maintenance.Alarm", &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE}, &pb.AlarmResponse{}),
		by(who, "auth.UserGet", &pb.AuthUserGetRequest{Name: "alice"}, &pb.AuthUserGetResponse{}),
		by(who, "auth.UserGet", &pb.AuthUserGetRequest{Name: "root"}, &pb.AuthUserGetResponse{}),
		by(who, "auth.UserList", &pb.AuthUserListRequest{}, &pb.AuthUserListResponse{}),
		by(who, "auth.RoleGet", &pb.AuthRoleGetRequest{Role: "reader"}, &pb.AuthRoleGetResponse{}),
		by(who, "auth.RoleList", &pb.AuthRoleListRequest{}, &pb.AuthRoleListResponse{}),
		by(who, "auth.AuthStatus", &pb.AuthStatusRequest{}, &pb.AuthStatusResponse{}),
		by(who, "auth.UserDelete", &pb.AuthUserDeleteRequest{Name: "root"}, &pb.AuthUserDeleteResponse{}),
		by(who, "auth.UserRevokeRole", &pb.AuthUserRevokeRoleRequest{Name: "root", Role: "root"}, &pb.AuthUserRevokeRoleResponse{}),
		by(who, "auth.RoleDelete", &pb.AuthRoleDeleteRequest{Role: "root"}, &pb.AuthRoleDeleteResponse{}),
		by(who, "auth.RoleAdd", &pb.AuthRoleAddRequest{Name: ""}, &pb.AuthRoleAddResponse{}),
		by(who, "auth.UserAdd", &pb.AuthUserAddRequest{Name: "", Options: &authpb.UserAddOptions{NoPassword: true}}, &pb.AuthUserAddResponse{}),
		by(who, "auth.AuthEnable", &pb.AuthEnableRequest{}, &pb.AuthEnableResponse{}),
		by(who, "lock.Lock", &v3lockpb.LockRequest{Name: []byte("secret"), Lease: 772}, &v3lockpb.LockResponse{}),
		by(who, "lock.Unlock", &v3lockpb.UnlockRequest{Key: []byte("secret/304")}, &v3lockpb.UnlockResponse{}),
		postBy(who, "/v3/kv/range", `{"key":"cC9h"}`),
		postBy(who, "/v3/kv/put", `{"key":"c2VjcmV0"}`),
		watchBy(who, "p/a", ""), watchBy(who, "p/", "p0"), watchBy(who, "p/", "\x00"), watchBy(who, "one", "\x00"), watchBy(who, "zz", "\x00"),
	}
	for _, r := range []*pb.RangeRequest{get("p/a", ""), get("p/", "p0"), get("p/", "p1"), get("one", ""), get("one", "two"), get("zz", "\x00"), get("y", "\x00"), get("p/z", "p/a"), get("o", "a"), get("\x00", "\x00")} {
		out = append(out, by(who, "kv.Range", r, &pb.RangeResponse{}), by(who, "kv.Range", in(proto.Clone(r).(*pb.RangeRequest)), &pb.RangeResponse{}))
	}
	for _, d := range []*pb.DeleteRangeRequest{
		{Key: []byte("p/m"), RangeEnd: []byte("p/n")}, {Key: []byte("p/k"), RangeEnd: []byte("p/p"), PrevKv: true}, {Key: []byte("p/y")}, {Key: []byte("p/"), RangeEnd: []byte("p/q1")},
	} {
		out = append(out, by(who, "kv.DeleteRange", d, &pb.DeleteRangeResponse{}))
	}
	for _, lease := range []int64{771, 772, 404} {
		for _, keys := range []bool{false, true} {
			out = append(out, question{fmt.Sprintf("auth: time to live of %d, keys %v, by %s", lease, keys, who), func(ctx context.Context, s *server) string {
				answer := &pb.LeaseTimeToLiveResponse{}
				err := s.conn.Invoke(as(ctx, s, who), "/etcdserverpb.Lease/LeaseTimeToLive", &pb.LeaseTimeToLiveRequest{ID: lease, Keys: keys}, answer)
				answer.TTL = 0
				return told(s, answer, err)
			}})
		}
	}
	return out
}

// users turns auth on, asks everything as everybody, and turns it off again.
func users() []question {
	out := management()
	for _, who := range callers {
		out = append(out, calls(who)...)
	}
	last := []question{
		// What is granted counts for who has logged in before, and what is taken away counts no more.
		grantTo("writer", granted(authpb.Permission_WRITE, "secret", "")),
		by("alice", "kv.Put", put("secret", "by alice"), &pb.PutResponse{}),
		by("root", "auth.UserRevokeRole", &pb.AuthUserRevokeRoleRequest{Name: "alice", Role: "writer"}, &pb.AuthUserRevokeRoleResponse{}),
		by("alice", "kv.Put", put("secret", "by alice"), &pb.PutResponse{}),
		by("root", "auth.UserChangePassword", &pb.AuthUserChangePasswordRequest{Name: "alice", Password: "land"}, &pb.AuthUserChangePasswordResponse{}),
		by("alice", "kv.Range", get("p/a", ""), &pb.RangeResponse{}),
		logIn("alice", "wonder"), logIn("alice", "land"),
		by("alice", "kv.Range", get("p/a", ""), &pb.RangeResponse{}),
		by("root", "auth.UserChangePassword", &pb.AuthUserChangePasswordRequest{Name: "alice"}, &pb.AuthUserChangePasswordResponse{}),
		logIn("alice", ""),
		by("root", "auth.RoleDelete", &pb.AuthRoleDeleteRequest{Role: "reader"}, &pb.AuthRoleDeleteResponse{}),
		by("root", "auth.UserGet", &pb.AuthUserGetRequest{Name: "alice"}, &pb.AuthUserGetResponse{}),
		by("root", "auth.UserDelete", &pb.AuthUserDeleteRequest{Name: "bob"}, &pb.AuthUserDeleteResponse{}),
		by("bob", "cluster.MemberList", &pb.MemberListRequest{}, &pb.MemberListResponse{}),
		by("root", "lease.LeaseRevoke", &pb.LeaseRevokeRequest{ID: 771}, &pb.LeaseRevokeResponse{}),
		by("root", "lease.LeaseRevoke", &pb.LeaseRevokeRequest{ID: 772}, &pb.LeaseRevokeResponse{}),
		by("root", "kv.DeleteRange", &pb.DeleteRangeRequest{Key: []byte("p/"), RangeEnd: []byte("p0")}, &pb.DeleteRangeResponse{}),
		by("root", "kv.DeleteRange", &pb.DeleteRangeRequest{Key: []byte("secret"), RangeEnd: []byte("secret0")}, &pb.DeleteRangeResponse{}),
		by("root", "auth.AuthDisable", &pb.AuthDisableRequest{}, &pb.AuthDisableResponse{}),
		by("root", "auth.AuthDisable", &pb.AuthDisableRequest{}, &pb.AuthDisableResponse{}),
		by("a liar", "kv.Range", get("p/a", ""), &pb.RangeResponse{}),
		by("nobody", "auth.AuthStatus", &pb.AuthStatusRequest{}, &pb.AuthStatusResponse{}),
	}
	for _, who := range callers {
		last = append(last, by("nobody", "lease.LeaseRevoke", &pb.LeaseRevokeRequest{ID: 900 + int64(len(who))}, &pb.LeaseRevokeResponse{}))
	}
	return append(out, last...)
}
