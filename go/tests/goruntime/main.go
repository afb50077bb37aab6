// goruntime: the language at work on Rugo. Each check prints its name when it is well; the first that is not ends the
// program with status 1.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

func check(ok bool, format string, args ...any) {
	if !ok {
		fmt.Printf("GORT: wrong: "+format+"\n", args...)
		os.Exit(1)
	}
}

// ---- goroutines, channels, select ----

func pingPong() {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for n := range ping {
			pong <- n + 1
		}
		close(pong)
	}()
	n := 0
	for n < 1000 {
		ping <- n
		n = <-pong
	}
	close(ping)
	_, open := <-pong
	check(n == 1000 && !open, "ping-pong %d %v", n, open)
}

func manyGoroutines() {
	const many = 300
	var group sync.WaitGroup
	var lock sync.Mutex
	total := 0
	for round := 0; round < 3; round++ {
		for i := 0; i < many; i++ {
			group.Add(1)
			go func() {
				defer group.Done()
				runtime.Gosched()
				lock.Lock()
				defer lock.Unlock()
				total += i
			}()
		}
		group.Wait()
	}
	check(total == 3*many*(many-1)/2, "sum of many goroutines %d", total)
}

func selects() {
	a, b := make(chan string, 1), make(chan string)
	go func() { b <- "b" }()
	a <- "a"
	got := []string{}
	for len(got) < 2 {
		select {
		case s := <-a:
			got = append(got, s)
		case s := <-b:
			got = append(got, s)
		}
	}
	sort.Strings(got)
	select {
	case s := <-a:
		check(false, "nothing was sent, and %q came", s)
	default:
	}
	check(strings.Join(got, "") == "ab", "select %v", got)
}

// ---- time ----

func sleeping() {
	begin := time.Now()
	order := make(chan int, 3)
	for _, ms := range []int{30, 10, 20} {
		go func() {
			time.Sleep(time.Duration(ms) * time.Millisecond)
			order <- ms
		}()
	}
	a, b, c := <-order, <-order, <-order
	check(a == 10 && b == 20 && c == 30, "order of sleepers %d %d %d", a, b, c)
	check(time.Since(begin) >= 30*time.Millisecond, "slept for %v", time.Since(begin))
	check(time.Now().Year() >= 2024, "year %d", time.Now().Year())
}

func timeouts() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		check(false, "the context's end was not seen")
	}
	check(errors.Is(ctx.Err(), context.DeadlineExceeded), "%v", ctx.Err())
	tick := time.NewTicker(time.Millisecond)
	for i := 0; i < 3; i++ {
		<-tick.C
	}
	tick.Stop()
}

// ---- defer, recover, closures, generics, errors ----

type wrong struct{ code int }

func (w *wrong) Error() string { return "wrong " + strconv.Itoa(w.code) }

func raise(depth int, log *[]int) {
	defer func() { *log = append(*log, depth) }()
	if depth == 4 {
		panic(&wrong{7})
	}
	raise(depth+1, log)
}

func attempt(log *[]int) (err error) {
	defer func() { err = fmt.Errorf("raised: %w", recover().(error)) }()
	raise(0, log)
	return nil
}

func recovering() {
	var log []int
	err := attempt(&log)
	var w *wrong
	check(errors.As(err, &w) && w.code == 7 && err.Error() == "raised: wrong 7", "error %v", err)
	check(fmt.Sprint(log) == "[4 3 2 1 0]", "deferred calls %v", log)
}

type number interface{ ~int | ~float64 }

func total[T number](list ...T) (sum T) {
	for _, v := range list {
		sum += v
	}
	return sum
}

type tree[K ~string, V any] struct {
	left, right *tree[K, V]
	key         K
	value       V
}

func (t *tree[K, V]) put(key K, value V) *tree[K, V] {
	switch {
	case t == nil:
		return &tree[K, V]{key: key, value: value}
	case key < t.key:
		t.left = t.left.put(key, value)
	default:
		t.right = t.right.put(key, value)
	}
	return t
}

func (t *tree[K, V]) each(yield func(K, V) bool) bool {
	return t == nil || t.left.each(yield) && yield(t.key, t.value) && t.right.each(yield)
}

func generics() {
	check(total(1, 2, 3) == 6 && total(0.5, 0.25) == 0.75, "sums")
	var t *tree[string, int]
	for i, word := range strings.Fields("the quick brown fox jumps over it") {
		t = t.put(word, i)
	}
	words := []string{}
	for word := range func(yield func(string, int) bool) { t.each(yield) } {
		words = append(words, word)
	}
	check(strings.Join(words, " ") == "brown fox it jumps over quick the", "words %v", words)
}

func library() {
	m := map[string]int{}
	lines := bufio.NewScanner(strings.NewReader("a b\nb c\nc c\n"))
	for lines.Scan() {
		for _, w := range strings.Fields(lines.Text()) {
			m[w]++
		}
	}
	check(fmt.Sprintf("%v %05.2f %x %q", m, 3.14159, "hi", 'x') == "map[a:1 b:2 c:3] 03.14 6869 'x'", "format of %v", m)
	f, err := strconv.ParseFloat("2.5e-3", 64)
	check(err == nil && f == 0.0025, "number %v %v", f, err)
	_, err = strconv.Atoi("12x")
	check(errors.Is(err, strconv.ErrSyntax), "%v", err)
}

// ---- memory ----

type cell struct {
	next *cell
	room [100]int
}

// Two gigabytes of garbage beside a list that stays; the heap stays small.
func garbage() {
	var keep *cell
	for i := 0; i < 100; i++ {
		keep = &cell{next: keep}
		keep.room[99] = i
	}
	const piece = 64 << 10
	for made := 0; made < 2<<30; made += piece {
		b := make([]byte, piece)
		b[made/piece%piece] = 1
		c := &cell{next: keep}
		keep.room[0] += c.next.room[99]
	}
	n := 0
	for c := keep; c != nil; c = c.next {
		check(c.room[99] == 99-n, "cell %d is %d", n, c.room[99])
		n++
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	check(n == 100 && stats.HeapSys < 16<<20, "heap of %d bytes", stats.HeapSys)
}

// What only a goroutine that waits still knows of must live through a collection.
func stacksAreRoots() {
	release, sums := make(chan bool), make(chan int)
	for i := 0; i < 10; i++ {
		go func() {
			list := make([]*cell, 10)
			for j := range list {
				list[j] = &cell{}
				list[j].room[50] = i * j
			}
			<-release
			sum := 0
			for _, c := range list {
				sum += c.room[50]
			}
			sums <- sum
		}()
	}
	runtime.Gosched()
	for i := 0; i < 20; i++ {
		_ = make([]cell, 300)
		runtime.GC()
	}
	close(release)
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-sums
	}
	check(sum == 45*45, "what goroutines kept makes %d", sum)
}

func bigHeap() {
	list := make([]*cell, 0, 16)
	for i := 0; i < 40000; i++ {
		c := &cell{}
		c.room[7] = i
		list = append(list, c)
	}
	for i, c := range list {
		check(c.room[7] == i, "cell %d is %d", i, c.room[7])
	}
}

func main() {
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"ping-pong", pingPong}, {"many goroutines", manyGoroutines}, {"select", selects}, {"sleep", sleeping},
		{"timeouts", timeouts}, {"recover", recovering}, {"generics", generics}, {"library", library},
		{"garbage", garbage}, {"stacks are roots", stacksAreRoots}, {"big heap", bigHeap},
	} {
		c.run()
		fmt.Printf("GORT: %s\n", c.name)
	}
	fmt.Printf("GORT: ok nonce=%s\n", os.Getenv("NONCE"))
}
