// peer runs one member of a real etcd 3.7.1 through its public embed package, so that detcd's answers and speed
// can be compared with it on the same machine.
//
// One member needs no flag but its data directory. Members of a larger cluster are each given the same
// --initial-cluster. It prints "ready" once it serves, and stops on SIGTERM, on SIGINT, or (with --stop-on-eof)
// when its standard input ends, so that it cannot outlive the program that started it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run() error {
	c := embed.NewConfig()
	flag.StringVar(&c.Name, "name", "peer", "name of this member")
	flag.StringVar(&c.Dir, "data-dir", "", "directory of this member's data (required)")
	flag.StringVar(&c.InitialClusterToken, "initial-cluster-token", c.InitialClusterToken, "token of a new cluster")
	flag.StringVar(&c.ClusterState, "initial-cluster-state", c.ClusterState, "new or existing")
	flag.StringVar(&c.LogLevel, "log-level", "error", "debug, info, warn, error")
	flag.StringVar(&c.AutoCompactionMode, "auto-compaction-mode", c.AutoCompactionMode, "periodic or revision")
	flag.StringVar(&c.AutoCompactionRetention, "auto-compaction-retention", c.AutoCompactionRetention, "0 turns it off")
	flag.Int64Var(&c.QuotaBackendBytes, "quota-backend-bytes", c.QuotaBackendBytes, "0 means etcd's default")
	flag.UintVar(&c.MaxTxnOps, "max-txn-ops", c.MaxTxnOps, "operations in one transaction")
	flag.UintVar(&c.MaxRequestBytes, "max-request-bytes", c.MaxRequestBytes, "size of one request")
	flag.UintVar(&c.TickMs, "heartbeat-interval", c.TickMs, "milliseconds")
	flag.UintVar(&c.ElectionMs, "election-timeout", c.ElectionMs, "milliseconds")
	client := flag.String("client-url", "http://127.0.0.1:2379", "where clients are served")
	peer := flag.String("peer-url", "http://127.0.0.1:2380", "where the other members are served")
	cluster := flag.String("initial-cluster", "", "name=peer-url,... of all members (default: this one alone)")
	snapshots := flag.Uint64("snapshot-count", c.SnapshotCount, "commands between two snapshots")
	progress := flag.Duration("watch-progress-notify-interval", c.WatchProgressNotifyInterval, "0 means etcd's default")
	onEOF := flag.Bool("stop-on-eof", false, "stop when standard input ends")
	flag.Parse()
	if c.Dir == "" || flag.NArg() != 0 {
		return errors.New("--data-dir is required and there are no other arguments (see --help)")
	}
	var err error
	if c.ListenClientUrls, err = urls(*client); err != nil {
		return err
	}
	if c.ListenPeerUrls, err = urls(*peer); err != nil {
		return err
	}
	c.AdvertiseClientUrls, c.AdvertisePeerUrls = c.ListenClientUrls, c.ListenPeerUrls
	c.SnapshotCount, c.WatchProgressNotifyInterval = *snapshots, *progress
	if c.InitialCluster = *cluster; *cluster == "" {
		c.InitialCluster = c.InitialClusterFromName(c.Name)
	}
	return serve(c, *onEOF)
}

func urls(list string) ([]url.URL, error) {
	var out []url.URL
	for _, s := range strings.Split(list, ",") {
		u, err := url.Parse(s)
		if err != nil {
			return nil, err
		}
		out = append(out, *u)
	}
	return out, nil
}

func serve(c *embed.Config, stopOnEOF bool) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	if stopOnEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop <- os.Interrupt
		}()
	}
	member, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer member.Close()
	select {
	case <-member.Server.ReadyNotify():
		fmt.Println("ready")
	case <-time.After(time.Minute):
		return errors.New("not ready after one minute")
	case <-stop:
		return nil
	}
	select {
	case <-stop:
		return nil
	case err := <-member.Err():
		return err
	}
}
