import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Scanner;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.utils.Utils;

/** Reads keys in base64, one a line; answers with Java's murmur2 of each and its partition out of 1, 6 and 50. */
public class Partitions {
    public static void main(String[] args) {
        Scanner keys = new Scanner(System.in, StandardCharsets.UTF_8);
        while (keys.hasNextLine()) {
            byte[] key = Base64.getDecoder().decode(keys.nextLine());
            System.out.println(Utils.murmur2(key) + " " + BuiltInPartitioner.partitionForKey(key, 1) + " "
                + BuiltInPartitioner.partitionForKey(key, 6) + " " + BuiltInPartitioner.partitionForKey(key, 50));
        }
    }
}
