// gopanic KIND ends in the way that is asked for. Each must name the program and say where it was.
package main

import (
	"fmt"
	"os"
	"strconv"
	"unsafe"
)

type node struct {
	next  *node
	value int
}

//go:noinline
func sum(n *node) int {
	return n.value + sum(n.next)
}

//go:noinline
func pick(list []int, i int) int {
	return list[i]
}

//go:noinline
func divide(a, b int) int {
	return a / b
}

//go:noinline
func deeper(n int) int {
	var room [1000]byte
	for i := range room {
		room[i] = byte(n)
	}
	return deeper(n+1) + int(room[n%1000])
}

//go:noinline
func wild(at uintptr) byte {
	return *(*byte)(unsafe.Pointer(at))
}

//go:noinline
func hoard() int {
	var all [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
}

//go:noinline
func fail() {
	panic(fmt.Errorf("no way from %s", os.Args[1]))
}

// A panic that is caught does no harm.
func caught() (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	panic("caught")
}

func main() {
	five, _ := strconv.Atoi("5")
	if caught() != "caught" {
		os.Exit(9)
	}
	switch os.Args[1] {
	case "nil":
		fmt.Println(sum(nil))
	case "index":
		fmt.Println(pick([]int{1, 2, 3}, five))
	case "divide":
		fmt.Println(divide(five, five-5))
	case "stack":
		fmt.Println(deeper(0))
	case "wild":
		fmt.Println(wild(0xdead000))
	case "memory":
		fmt.Println(hoard())
	case "deadlock":
		<-make(chan int)
	case "panic":
		fail()
	case "goroutine":
		go fail()
		select {}
	case "map":
		var m map[string]int
		m["a"] = five
	case "exit":
		defer fmt.Println("not printed")
		os.Exit(five + 2)
	}
}
