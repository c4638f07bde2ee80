package clients

import (
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

func TestAStreamIsTheAnswerInChunks(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	for i := range 40 {
		put(ctx, t, c, fmt.Sprintf("%s%02d", p, i), strings.Repeat("v", 100_000))
	}
	middle := put(ctx, t, c, p+"20", "changed")
	put(ctx, t, c, p+"40", "later")
	for name, options := range map[string][]clientv3.OpOption{
		"everything":     {},
		"a limit":        {clientv3.WithLimit(25)},
		"the past":       {clientv3.WithRev(middle)},
		"keys":           {clientv3.WithKeysOnly()},
		"a count":        {clientv3.WithCountOnly()},
		"local":          {clientv3.WithSerializable()},
		"an empty range": {clientv3.WithRange(p)},
	} {
		options = append([]clientv3.OpOption{clientv3.WithPrefix()}, options...)
		whole, err := c.Get(ctx, p, options...)
		if err != nil {
			t.Fatal(name, err)
		}
		chunks, err := c.GetStream(ctx, p, options...)
		if err != nil {
			t.Fatal(name, err)
		}
		merged, err := clientv3.GetStreamToGetResponse(chunks)
		if err != nil {
			t.Fatal(name, err)
		}
		// Which member answered, and in which term, may differ.
		whole.Header, merged.Header = &pb.ResponseHeader{Revision: whole.Header.Revision}, &pb.ResponseHeader{Revision: merged.Header.Revision}
		if !proto.Equal((*pb.RangeResponse)(whole), (*pb.RangeResponse)(merged)) {
			t.Errorf("%s: %d keys of %d", name, len(merged.Kvs), len(whole.Kvs))
		}
	}
	chunks, err := c.GetStream(ctx, p, clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
	if err != nil {
		t.Fatal(err)
	}
	_, err = clientv3.GetStreamToGetResponse(chunks)
	equal(t, "another order", codes.Unimplemented, status.Code(err))
}
