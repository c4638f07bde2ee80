// etcdutl holds those offline commands of etcd 3.7.1 that read and restore snapshot files, from its library package: a
// reader that detcd's files must satisfy.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
)

func main() {
	root := &cobra.Command{Use: "etcdutl", SilenceUsage: true}
	root.PersistentFlags().StringVarP(&etcdutl.OutputFormat, "write-out", "w", "simple", "simple, fields, json, protobuf or table")
	root.AddCommand(etcdutl.NewSnapshotCommand(), etcdutl.NewHashKVCommand())
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}
