// Sends datagrams to an echo through the relay and back, with the TURN client of pion.
//
//	echo_by_pion udp|tcp|tls SERVER:PORT USER PASSWORD
//
// Ends with status 0 and the word "all" if everything came back.
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v2"
)

// The first go as indications; before they are through there is a channel.
var sizes = []int{1, 2, 3, 4, 171, 1000, 1200, 1, 2, 3, 4, 171, 1000, 1200}

var echo = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3480}

func main() {
	way, server, user, password := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server,
		TURNServerAddr: server,
		Conn:           connect(way, server),
		Username:       user,
		Password:       password,
		LoggerFactory:  logging.NewDefaultLoggerFactory(),
	})
	check(err)
	defer client.Close()
	check(client.Listen())
	relayed, err := client.Allocate()
	check(err)
	for _, size := range sizes {
		data := make([]byte, size)
		for number := range data {
			data[number] = byte(number % 251)
		}
		answered(relayed, data)
		time.Sleep(20 * time.Millisecond)
	}
	check(relayed.Close())
	fmt.Println("all")
}

func connect(way, server string) net.PacketConn {
	switch way {
	case "udp":
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		check(err)
		return conn
	case "tcp":
		conn, err := net.Dial("tcp", server)
		check(err)
		return turn.NewSTUNConn(conn)
	default:
		// The certificate is the server's own.
		conn, err := tls.Dial("tcp", server, &tls.Config{InsecureSkipVerify: true})
		check(err)
		return turn.NewSTUNConn(conn)
	}
}

// Datagrams may be lost, and the echo may still be starting.
func answered(relayed net.PacketConn, data []byte) {
	buffer := make([]byte, 2048)
	for tries := 0; tries < 20; tries++ {
		_, err := relayed.WriteTo(data, echo)
		check(err)
		check(relayed.SetReadDeadline(time.Now().Add(500 * time.Millisecond)))
		for {
			length, from, err := relayed.ReadFrom(buffer)
			if err != nil {
				break
			}
			if from.String() != echo.String() {
				log.Fatalf("%v is not whom we asked", from)
			}
			if bytes.Equal(buffer[:length], data) {
				return
			}
		}
	}
	log.Fatalf("no answer to %d bytes", len(data))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
