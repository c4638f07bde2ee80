package main

import (
	"context"
	"errors"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// stream is asked for a range in chunks, and answers them merged. How many they are is each server's own.
func stream(name string, r *pb.RangeRequest) question {
	return question{"stream: " + name, func(ctx context.Context, s *server) string {
		chunks, err := s.kv.RangeStream(ctx, proto.Clone(r).(*pb.RangeRequest))
		merged, ended := &pb.RangeResponse{}, ""
		for err == nil {
			var chunk *pb.RangeStreamResponse
			if chunk, err = chunks.Recv(); err == nil {
				proto.Merge(merged, chunk.RangeResponse)
				if ended += "."; chunk.RangeResponse.Header == nil {
					ended = ""
				}
			}
		}
		if !errors.Is(err, io.EOF) {
			return told(s, nil, err)
		}
		return told(s, merged, nil) + ended
	}}
}

func streams() []question {
	sorted := func(order pb.RangeRequest_SortOrder, target pb.RangeRequest_SortTarget) *pb.RangeRequest {
		return with(func(r *pb.RangeRequest) { r.SortOrder, r.SortTarget = order, target })
	}
	return []question{
		stream("no key", get("", "")),
		stream("no key and an unknown sort", &pb.RangeRequest{SortOrder: 9}),
		stream("an unknown sort", with(func(r *pb.RangeRequest) { r.SortOrder = 9 })),
		stream("everything", get("\x00", "\x00")),
		stream("a key", get("c", "")),
		stream("nothing", get("nothing", "")),
		stream("end before key", get("c", "a")),
		stream("limit", with(func(r *pb.RangeRequest) { r.Limit = 2 })),
		stream("limit at the size", with(func(r *pb.RangeRequest) { r.Limit = 6 })),
		stream("count_only with a limit", with(func(r *pb.RangeRequest) { r.CountOnly, r.Limit = true, 2 })),
		stream("keys_only", with(func(r *pb.RangeRequest) { r.KeysOnly = true })),
		stream("the past", with(func(r *pb.RangeRequest) { r.Revision = 3 })),
		stream("negative revision", with(func(r *pb.RangeRequest) { r.Revision = -5 })),
		stream("the future", with(func(r *pb.RangeRequest) { r.Revision = 1000 })),
		stream("serializable", with(func(r *pb.RangeRequest) { r.Serializable = true })),
		stream("ascending", sorted(pb.RangeRequest_ASCEND, pb.RangeRequest_KEY)),
		stream("descending", sorted(pb.RangeRequest_DESCEND, pb.RangeRequest_KEY)),
		stream("by mod revision", sorted(pb.RangeRequest_ASCEND, pb.RangeRequest_MOD)),
		stream("by mod revision, no order", sorted(pb.RangeRequest_NONE, pb.RangeRequest_MOD)),
		stream("a filter", with(func(r *pb.RangeRequest) { r.MinModRevision = 2 })),
		stream("a negative filter", with(func(r *pb.RangeRequest) { r.MaxCreateRevision = -1 })),
		stream("a filter and an order", with(func(r *pb.RangeRequest) { r.MinModRevision, r.SortOrder = 2, pb.RangeRequest_DESCEND })),
	}
}
