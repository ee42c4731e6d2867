// Reads the features of one flight and prints each with its status:
//
//	features HOST:PORT DEST TAILNUM DISTANCE [MOMENT]
//
// The package featurestore is generated from the .proto file by ./generate. TWINSTORE_TOKEN is shown to the server where it is
// set.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"example/features/featurestore"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(arguments []string) error {
	if len(arguments) < 4 {
		return fmt.Errorf("features HOST:PORT DEST TAILNUM DISTANCE [MOMENT]")
	}
	distance, err := strconv.ParseInt(arguments[3], 10, 32)
	if err != nil {
		return err
	}
	request := &featurestore.GetFeaturesRequest{
		Service:  "late_arrival",
		Entities: map[string]*featurestore.Values{"dest": text(arguments[1]), "tailnum": text(arguments[2])},
		Request: map[string]*featurestore.Values{"distance": {
			Kind: &featurestore.Values_Int32S{Int32S: &featurestore.Int32S{Values: []int32{int32(distance)}}},
		}},
	}
	if len(arguments) > 4 {
		moment, err := time.Parse(time.RFC3339, arguments[4])
		if err != nil {
			return err
		}
		micros := moment.UnixMicro()
		request.AtUs = &micros
	}

	// A server that speaks TLS takes credentials.NewTLS.
	connection, err := grpc.NewClient(arguments[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if token := os.Getenv("TWINSTORE_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	answer, err := featurestore.NewFeatureStoreClient(connection).GetFeatures(ctx, request)
	if err != nil {
		return err
	}
	for _, column := range answer.Columns {
		value, err := shown(column.Values, 0)
		if err != nil {
			return err
		}
		fmt.Printf("%s\t%s\t%s\n", column.Name, column.Statuses[0], value)
	}
	return nil
}

func text(value string) *featurestore.Values {
	column := &featurestore.Strings{Values: []string{value}}
	return &featurestore.Values{Kind: &featurestore.Values_Strings{Strings: column}}
}

// shown is the value of a row as JSON; a column is packed by its type, and says which of its rows are null.
func shown(values *featurestore.Values, row int) (string, error) {
	if slices.Contains(values.Nulls, uint32(row)) {
		return "null", nil
	}
	var value any
	switch kind := values.Kind.(type) {
	case *featurestore.Values_Bools:
		value = kind.Bools.Values[row]
	case *featurestore.Values_Int32S:
		value = kind.Int32S.Values[row]
	case *featurestore.Values_Int64S:
		value = kind.Int64S.Values[row]
	case *featurestore.Values_Float32S:
		return number(float64(kind.Float32S.Values[row]), 32), nil
	case *featurestore.Values_Float64S:
		return number(kind.Float64S.Values[row], 64), nil
	case *featurestore.Values_Strings:
		value = kind.Strings.Values[row]
	case *featurestore.Values_Bytes:
		value = kind.Bytes.Values[row]
	case *featurestore.Values_Timestamps:
		value = time.UnixMicro(kind.Timestamps.ValuesUs[row]).UTC()
	default:
		return "", fmt.Errorf("%T is not shown by this example", kind)
	}
	bytes, err := json.Marshal(value)
	return string(bytes), err
}

// number is a number as JSON, which has none for NaN and infinities.
func number(value float64, bits int) string {
	switch {
	case math.IsNaN(value):
		return `"NaN"`
	case math.IsInf(value, 1):
		return `"Infinity"`
	case math.IsInf(value, -1):
		return `"-Infinity"`
	default:
		return strconv.FormatFloat(value, 'g', -1, bits)
	}
}
