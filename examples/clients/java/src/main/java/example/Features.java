package example;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.TimeUnit;
import twinstore.v1.FeatureStoreOuterClass.Column;
import twinstore.v1.FeatureStoreOuterClass.GetFeaturesRequest;
import twinstore.v1.FeatureStoreOuterClass.GetFeaturesResponse;
import twinstore.v1.FeatureStoreOuterClass.Int32s;
import twinstore.v1.FeatureStoreOuterClass.Strings;
import twinstore.v1.FeatureStoreOuterClass.Values;

/**
 * Reads the features of one flight and prints each with its status: {@code Features HOST:PORT DEST TAILNUM DISTANCE [MOMENT]}.
 *
 * <p>The messages of {@code twinstore.v1} are generated from the .proto file by the build. TWINSTORE_TOKEN is shown to the
 * server where it is set.
 */
public final class Features {
    /** What the plugin for gRPC would generate: one method needs no plugin. */
    private static final MethodDescriptor<GetFeaturesRequest, GetFeaturesResponse> GET_FEATURES =
            MethodDescriptor.<GetFeaturesRequest, GetFeaturesResponse>newBuilder()
                    .setType(MethodDescriptor.MethodType.UNARY)
                    .setFullMethodName("twinstore.v1.FeatureStore/GetFeatures")
                    .setRequestMarshaller(ProtoUtils.marshaller(GetFeaturesRequest.getDefaultInstance()))
                    .setResponseMarshaller(ProtoUtils.marshaller(GetFeaturesResponse.getDefaultInstance()))
                    .build();

    private Features() {}

    public static void main(String[] arguments) throws InterruptedException {
        GetFeaturesRequest.Builder request = GetFeaturesRequest.newBuilder()
                .setService("late_arrival")
                .putEntities("dest", text(arguments[1]))
                .putEntities("tailnum", text(arguments[2]))
                .putRequest("distance", integer(Integer.parseInt(arguments[3])));
        if (arguments.length > 4) {
            request.setAtUs(ChronoUnit.MICROS.between(Instant.EPOCH, Instant.parse(arguments[4])));
        }
        Metadata shown = new Metadata();
        String token = System.getenv("TWINSTORE_TOKEN");
        if (token != null) {
            shown.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
        }
        // A server that speaks TLS takes TlsChannelCredentials.
        ManagedChannel channel = Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
        try {
            Channel known = ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(shown));
            CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(5, TimeUnit.SECONDS);
            ClientCalls.blockingUnaryCall(known, GET_FEATURES, options, request.build())
                    .getColumnsList()
                    .forEach(Features::print);
        } catch (StatusRuntimeException refused) {
            System.err.println(refused.getMessage());
            System.exit(1);
        } finally {
            channel.shutdownNow().awaitTermination(1, TimeUnit.SECONDS);
        }
    }

    private static void print(Column column) {
        System.out.println(column.getName() + "\t" + column.getStatuses(0) + "\t" + shown(column.getValues(), 0));
    }

    /** The value of a row as JSON; a column is packed by its type, and says which of its rows are null. */
    private static String shown(Values values, int row) {
        if (values.getNullsList().contains(row)) {
            return "null";
        }
        return switch (values.getKindCase()) {
            case BOOLS -> String.valueOf(values.getBools().getValues(row));
            case INT32S -> String.valueOf(values.getInt32S().getValues(row));
            case INT64S -> String.valueOf(values.getInt64S().getValues(row));
            case FLOAT32S -> number(values.getFloat32S().getValues(row));
            case FLOAT64S -> number(values.getFloat64S().getValues(row));
            case STRINGS -> quoted(values.getStrings().getValues(row));
            case TIMESTAMPS -> quoted(Instant.EPOCH.plus(values.getTimestamps().getValuesUs(row), ChronoUnit.MICROS).toString());
            default -> throw new IllegalArgumentException(values.getKindCase() + " is not shown by this example");
        };
    }

    /** A number as JSON, which has none for NaN and infinities. */
    private static String number(float value) {
        return Float.isFinite(value) ? String.valueOf(value) : quoted(String.valueOf(value));
    }

    private static String number(double value) {
        return Double.isFinite(value) ? String.valueOf(value) : quoted(String.valueOf(value));
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    private static Values text(String value) {
        return Values.newBuilder().setStrings(Strings.newBuilder().addValues(value)).build();
    }

    private static Values integer(int value) {
        return Values.newBuilder().setInt32S(Int32s.newBuilder().addValues(value)).build();
    }
}
