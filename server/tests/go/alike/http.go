package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// headers that clients of /health and its like look at; the others (dates, lengths) differ rightly or follow.
var headers = []string{
	"Content-Type", "Allow", "X-Content-Type-Options", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods",
	"Access-Control-Allow-Headers",
}

// An alarm's member, which each server names by its own id.
var memberID = regexp.MustCompile(`memberID:\d+`)

// do sends a request over HTTP. Where the server is, no error says.
func (s *server) do(ctx context.Context, method, path, body string, header []string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), s.url, ""))
	}
	return answer, nil
}

// compact is JSON without spaces: protojson draws from the hash of its binary whether to set one after commas, so that nobody
// relies on it.
func compact(body []byte) []byte {
	if into := new(bytes.Buffer); json.Compact(into, body) == nil {
		return into.Bytes()
	}
	return body
}

// web asks over HTTP/1.1.
func web(method, path string, header ...string) question {
	name := "http: " + strings.TrimSpace(method+" "+path+" "+strings.Join(header, " "))
	return question{name, func(ctx context.Context, s *server) string {
		answer, err := s.do(ctx, method, path, "", header)
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if strings.HasPrefix(path, "/v3") {
			body = compact(body)
		}
		told := fmt.Sprint(answer.StatusCode)
		for _, name := range headers {
			told += fmt.Sprintf("\n#     %s: %q", name, answer.Header.Values(name))
		}
		return fmt.Sprintf("%s\n#     %q %v", told, memberID.ReplaceAll(body, []byte("memberID:1")), err)
	}}
}

// probes are asked while all is well, and again with an alarm raised.
func probes() []question {
	return []question{
		web("GET", "/health"),
		web("GET", "/health?exclude=NOSPACE&exclude=CORRUPT"),
		web("GET", "/health?exclude=NOSPACE"),
		web("GET", "/health?serializable=true"),
		web("POST", "/health"),
		web("HEAD", "/health"),
		web("GET", "/livez"),
		web("GET", "/livez?verbose"),
		web("GET", "/livez?exclude=serializable_read"),
		web("GET", "/livez/serializable_read?verbose"),
		web("GET", "/livez/linearizable_read"),
		web("PUT", "/livez"),
		web("GET", "/readyz"),
		web("GET", "/readyz/data_corruption?verbose=1"),
		web("GET", "/readyz/data_corruption?exclude=data_corruption"),
		web("GET", "/readyz?exclude=data_corruption&exclude=nothing"),
		web("GET", "/readyz/non_learner"),
		web("GET", "/readyz/"),
		web("DELETE", "/readyz/non_learner"),
	}
}

func pages() []question {
	return append(probes(),
		web("GET", "/version"),
		web("POST", "/version"),
		web("GET", "/"),
		web("GET", "/nothing"),
		web("GET", "/health/"),
		web("OPTIONS", "/health"),
		web("GET", "/version", "Origin", "http://example.com"),
	)
}

// gateway asks in JSON. What may rightly differ is replaced as in the messages themselves.
func gateway(name, path, body string, header ...string) question {
	return question{"gateway: " + name, func(ctx context.Context, s *server) string {
		answer, err := s.do(ctx, "POST", path, body, header)
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		told := fmt.Sprintf("%d %q", answer.StatusCode, answer.Header.Values("Content-Type"))
		values := json.NewDecoder(answer.Body)
		for {
			var value any
			if err := values.Decode(&value); err != nil {
				return fmt.Sprintf("%s %v", told, err)
			}
			normalizeJSON(s, value)
			text, _ := json.Marshal(value)
			told += "\n#     " + string(text)
			// A watch goes on: what it has to say here is said in so many answers.
			if bytes.Contains(text, []byte(`"events"`)) || bytes.Contains(text, []byte(`"canceled"`)) {
				return told
			}
		}
	}}
}

func normalizeJSON(s *server, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			switch name {
			case "cluster_id", "raft_term", "raftTerm", "raftIndex", "raftAppliedIndex", "dbSize", "dbSizeInUse", "name", "peerURLs", "clientURLs":
				v[name] = "?"
			case "member_id", "memberID", "leader":
				if inner == fmt.Sprint(s.member) {
					v[name] = "1"
				}
			case "ID":
				if inner == fmt.Sprint(s.member) {
					v[name] = "1"
				}
			default:
				normalizeJSON(s, inner)
			}
		}
	case []any:
		for _, inner := range v {
			normalizeJSON(s, inner)
		}
	}
}

func gateways() []question {
	return []question{
		gateway("put", "/v3/kv/put", `{"key":"Z3c=","value":"djE="}`),
		gateway("put with the old one, in camel case", "/v3/kv/put", `{"key":"Z3c=","value":"djI=","prevKv":true}`),
		gateway("put with nulls and unknown fields", "/v3/kv/put", `{"key":"Z3c=","value":"djM=","lease":null,"nothing":{"a":[1]}}`),
		gateway("put without a key", "/v3/kv/put", `{"value":"djE="}`),
		gateway("put to a lease that is not there", "/v3/kv/put", `{"key":"Z3c=","lease":"77"}`),
		gateway("range", "/v3/kv/range", `{"key":"Z3c="}`),
		gateway("range, form content type", "/v3/kv/range", `{"key":"Z3c="}`, "Content-Type", "application/x-www-form-urlencoded"),
		gateway("range by the older path", "/v3beta/kv/range", `{"key":"Z3c="}`),
		gateway("range of all, counted", "/v3/kv/range", `{"key":"AA==","range_end":"AA==","count_only":true}`),
		gateway("range with numbers and enums by number", "/v3/kv/range", `{"key":"AA==","range_end":"AA==","limit":1,"sort_order":1,"sort_target":"MOD"}`),
		gateway("range, url-safe base64", "/v3/kv/range", `{"key":"_-8"}`),
		gateway("range of the future", "/v3/kv/range", `{"key":"Z3c=","revision":"999"}`),
		gateway("range without a body", "/v3/kv/range", ``),
		gateway("range of nothing", "/v3/kv/range", `{}`),
		gateway("txn", "/v3/kv/txn", `{"compare":[{"target":"VALUE","key":"Z3c=","value":"djM="}],"success":[{"request_range":{"key":"Z3c="}}],"failure":[]}`),
		gateway("txn with a put and a delete", "/v3/kv/txn", `{"success":[{"requestPut":{"key":"Z3c=","value":"djQ="}},{"requestDeleteRange":{"key":"Z3g="}}]}`),
		gateway("txn with a key twice", "/v3/kv/txn", `{"success":[{"requestPut":{"key":"Z3c="}},{"requestPut":{"key":"Z3c="}}]}`),
		gateway("delete", "/v3/kv/deleterange", `{"key":"Z3c=","prev_kv":true}`),
		gateway("compaction of the future", "/v3/kv/compaction", `{"revision":"999"}`),
		gateway("grant", "/v3/lease/grant", `{"ID":"9000","TTL":"60"}`),
		gateway("grant again", "/v3/lease/grant", `{"ID":"9000","TTL":"60"}`),
		gateway("time to live", "/v3/lease/timetolive", `{"ID":"9001","keys":true}`),
		gateway("time to live by the old path", "/v3/kv/lease/timetolive", `{"ID":9001}`),
		gateway("leases", "/v3/lease/leases", `{}`),
		gateway("leases by the old path", "/v3/kv/lease/leases", ``),
		gateway("keep alive, twice", "/v3/lease/keepalive", `{"ID":"9000"}{"ID":"9001"}`),
		gateway("revoke", "/v3/lease/revoke", `{"ID":"9000"}`),
		gateway("revoke again, by the old path", "/v3/kv/lease/revoke", `{"ID":"9000"}`),
		gateway("a watch of what was", "/v3/watch", `{"create_request":{"key":"Z3c=","start_revision":"1"}}`),
		gateway("a watch that is cancelled", "/v3/watch", `{"create_request":{"key":"Z3c=","watch_id":"5"}} {"cancel_request":{"watch_id":"5"}}`),
		gateway("a lock whose lease is not there", "/v3/lock/lock", `{"name":"Z3c=","lease":"77"}`),
		gateway("an unlock of nothing", "/v3/lock/unlock", `{"key":"Z3c="}`),
		gateway("the leader of nothing", "/v3/election/leader", `{"name":"Z3c="}`),
		gateway("a proclamation by nobody", "/v3/election/proclaim", `{"value":"Z3c="}`),
		gateway("members", "/v3/cluster/member/list", `{}`),
		gateway("alarms", "/v3/maintenance/alarm", `{}`),
		gateway("metadata that asks for a leader", "/v3/kv/range", `{"key":"Z3c="}`, "Grpc-Metadata-hasleader", "true"),
		gateway("a path that is none", "/v3/nothing", `{}`),
		gateway("a path below one", "/v3/kv/range/", `{}`),
		web("GET", "/v3/kv/range"),
		web("OPTIONS", "/v3/kv/range", "Origin", "http://example.com"),
		malformed("no JSON", "/v3/kv/range", `nonsense`),
		malformed("JSON that is cut", "/v3/kv/range", `{"key":`),
		malformed("no base64", "/v3/kv/range", `{"key":"%"}`),
		malformed("a number for bytes", "/v3/kv/range", `{"key":1}`),
		malformed("an enum that is none", "/v3/kv/range", `{"key":"AA==","sort_order":"UP"}`),
		malformed("an array for a message", "/v3/kv/range", `[]`),
	}
}

// malformed compares statuses alone: each JSON library has words of its own.
func malformed(name, path, body string) question {
	return question{"gateway: " + name, func(ctx context.Context, s *server) string {
		answer, err := http.Post(s.url+path, "", strings.NewReader(body))
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		var refusal struct{ Code int }
		err = json.NewDecoder(answer.Body).Decode(&refusal)
		return fmt.Sprint(answer.StatusCode, refusal.Code, err)
	}}
}
