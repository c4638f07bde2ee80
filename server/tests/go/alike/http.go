package main

import (
	"context"
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

// web asks over HTTP/1.1.
func web(method, path string, header ...string) question {
	name := "http: " + strings.TrimSpace(method+" "+path+" "+strings.Join(header, " "))
	return question{name, func(ctx context.Context, s *server) string {
		request, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
		if err != nil {
			return err.Error()
		}
		for i := 0; i+1 < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return strings.ReplaceAll(err.Error(), s.url, "")
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
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
