// A Flight client on grpc-go with its defaults, which take no message above 4 MiB: what programs written in Go are.
//
// usage: flightclient ADDRESS DATASET
// Prints one JSON line: what each call gave. Messages are encoded by hand, so nothing but grpc-go is needed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const service = "/arrow.flight.protocol.FlightService/"

// bytesCodec sends and receives messages as the bytes they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (bytesCodec) Name() string { return "proto" }

// field is a protobuf field of bytes.
func field(number int, value []byte) []byte {
	out := []byte{byte(number<<3 | 2)}
	length := uint64(len(value))
	for ; length >= 0x80; length >>= 7 {
		out = append(out, byte(length)|0x80)
	}
	return append(append(out, byte(length)), value...)
}

type outcome struct {
	Messages int    `json:"messages"`
	Bytes    int    `json:"bytes"`
	Largest  int    `json:"largest"`
	Code     string `json:"code"`
	Text     string `json:"text"`
	First    string `json:"first"`
}

func call(connection *grpc.ClientConn, method string, request []byte) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var result outcome
	description := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := connection.NewStream(ctx, description, service+method)
	if err == nil {
		err = stream.SendMsg(&request)
	}
	if err == nil {
		err = stream.CloseSend()
	}
	for err == nil {
		var message []byte
		if err = stream.RecvMsg(&message); err == nil {
			result.Messages++
			result.Bytes += len(message)
			if len(message) > result.Largest {
				result.Largest = len(message)
			}
			if result.Messages == 1 && len(message) < 4096 {
				result.First = string(message)
			}
		}
	}
	if errors.Is(err, io.EOF) {
		result.Code = "OK"
		return result
	}
	result.Code = status.Code(err).String()
	result.Text = status.Convert(err).Message()
	return result
}

func main() {
	connection, err := grpc.Dial(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{})))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer connection.Close()
	dataset := os.Args[2]
	search := fmt.Sprintf(`{"search":{"dataset":%q,"vector":[0,0,0,0],"k":3}}`, dataset)
	body := fmt.Sprintf(`{"dataset":%q}`, dataset)
	results := map[string]outcome{
		"scan":      call(connection, "DoGet", field(1, []byte(dataset))),
		"missing":   call(connection, "DoGet", field(1, []byte("no-such-set"))),
		"search":    call(connection, "DoGet", field(1, []byte(search))),
		"readiness": call(connection, "DoAction", append(field(1, []byte("check_readiness")), field(2, []byte(body))...)),
		"unknown":   call(connection, "DoAction", field(1, []byte("no-such-action"))),
		"flights":   call(connection, "ListFlights", nil),
	}
	json.NewEncoder(os.Stdout).Encode(results)
}
