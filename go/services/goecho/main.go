// goecho answers each message with its own bytes. Once a client has sent the nonce of the kernel's command line, it says
// so on the log.
package main

import (
	"bytes"
	"os"

	"rugo/sys"
)

func main() {
	nonce := []byte(os.Getenv("NONCE"))
	server := sys.Server{Dispatch: func(c *sys.Call) bool {
		if len(nonce) > 0 && bytes.Contains(c.Message.Bytes(), nonce) {
			println("GOUSR: ok nonce=" + string(nonce))
			nonce = nil
		}
		return c.Echo() == nil
	}}
	if err := sys.Ready(); err != nil {
		panic(err)
	}
	if err := server.Run(); err != nil {
		panic(err)
	}
}
