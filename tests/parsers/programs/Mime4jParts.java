import java.io.*;
import java.util.Base64;
import org.apache.james.mime4j.dom.*;
import org.apache.james.mime4j.message.DefaultMessageBuilder;
import org.apache.james.mime4j.stream.MimeConfig;

/** mime4j (Debian: libapache-mime4j-java): the parts of each mail, as gmime_parts.py writes them. */
public class Mime4jParts {
    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            StringBuilder rows = new StringBuilder();
            try {
                DefaultMessageBuilder builder = new DefaultMessageBuilder();
                builder.setMimeEntityConfig(MimeConfig.PERMISSIVE);
                add(builder.parseMessage(new ByteArrayInputStream(Base64.getDecoder().decode(line))), rows);
            } catch (Exception fault) { /* its own fault: it shows no more */ }
            System.out.println("[" + rows + "]");
        }
    }

    private static void add(Entity entity, StringBuilder rows) throws IOException {
        Body body = entity.getBody();
        if (body instanceof Multipart) {
            for (Entity part : ((Multipart) body).getBodyParts()) add(part, rows);
            return;
        }
        byte[] content = new byte[0];
        if (body instanceof SingleBody)
            try (InputStream stream = ((SingleBody) body).getInputStream()) {
                content = stream.readNBytes(64);
            } catch (IOException fault) { /* nothing of it can be decoded */ }
        String name = entity.getFilename();
        if (name == null && entity.getHeader().getField("Content-Type") instanceof org.apache.james.mime4j.dom.field.ContentTypeField)
            name = ((org.apache.james.mime4j.dom.field.ContentTypeField) entity.getHeader().getField("Content-Type")).getParameter("name");
        rows.append(rows.length() == 0 ? "" : ",").append("[").append(quoted(name)).append(",")
            .append(quoted(entity.getMimeType())).append(",\"").append(Base64.getEncoder().encodeToString(content)).append("\"]");
        if (body instanceof Message) add((Message) body, rows);
    }

    private static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char sign : (text == null ? "" : text).toCharArray())
            json.append(sign >= ' ' && sign < 127 && sign != '"' && sign != '\\' ? "" + sign : String.format("\\u%04x", (int) sign));
        return json.append('"').toString();
    }
}
