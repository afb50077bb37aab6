// gohello: what a Go program finds when it begins.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "NONCE=") {
			fmt.Println("GOHELLO:", os.Args, e)
		}
	}
}
