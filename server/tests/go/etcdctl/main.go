// etcdctl is the command line of etcd 3.7.1, built from its library package: a client that detcd must satisfy.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
)

func main() {
	if err := ctlv3.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}
