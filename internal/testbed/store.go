package testbed

import (
	"context"
	"net"
	"os"
	"path/filepath"
)

// StoreDatabase is the name of Floe's database in a testbed's store.
const StoreDatabase = "floe"

func (tb *Testbed) startStore(ctx context.Context) error {
	dir := filepath.Join(tb.Dir, "store")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	_, ports, err := tb.startOnPorts(ctx, "ferretdb", 1, func(ports []int) command {
		return command{
			path:  tb.tools["ferretdb"],
			args:  []string{"--listen=" + address(ports[0]), "--dir=" + dir},
			ready: listens(address(ports[0])),
		}
	})
	if err != nil {
		return err
	}
	tb.StoreURI = "mongodb://" + address(ports[0])
	return nil
}

// listens: FerretDB serves as soon as it accepts connections.
func listens(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
